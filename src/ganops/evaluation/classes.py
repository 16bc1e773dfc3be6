"""Whether all classes are made, in the right shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ganops.evaluation.estimate import Estimate, Measurement

Classes = npt.NDArray[np.int64]
"""(N,), the extractor's predicted class of each image."""


def class_coverage(generated: Classes, reference: Classes, num_classes: int) -> Estimate:
    """1 - total variation distance between the predicted-class shares: 1 is the same balance, 0 no class in common.

    A class that is never made costs its whole share. Both sides are predictions of the same classifier,
    so that its mistakes cancel. The influences are the delta method's: the derivative of |p - q| is a sign.
    Noise makes it a little too low, by about the same amount for two models with equal counts.
    """
    made, real = class_shares(generated, num_classes), class_shares(reference, num_classes)
    sign = np.sign(made - real)
    return Estimate(1.0 - float(np.abs(made - real).sum()) / 2.0, -sign[generated] / 2.0, sign[reference] / 2.0)


def class_shares(classes: Classes, num_classes: int) -> npt.NDArray[np.float64]:
    """Share of each class, (num_classes,), summing to 1."""
    assert len(classes) > 0, "no images"
    return np.bincount(classes, minlength=num_classes) / len(classes)


@final
@dataclass(frozen=True)
class ClassRow:
    """One class. made, real: its share of the generated and of the reference images. coverage: share of the reference's
    images of this class whose ball holds a generated image, balls taken as given; None where it has none, or
    where balls say nothing."""

    name: str
    made: Measurement
    real: Measurement
    coverage: Measurement | None

    def to_json(self) -> dict[str, Any]:
        return {
            "class": self.name,
            "made": self.made.to_json(),
            "real": self.real.to_json(),
            "coverage": self.coverage.to_json() if self.coverage is not None else None,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ClassRow:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        coverage = value["coverage"]
        return ClassRow(
            name=str(value["class"]),
            made=Measurement.from_json(value["made"]),
            real=Measurement.from_json(value["real"]),
            coverage=Measurement.from_json(coverage) if coverage is not None else None,
        )


def class_table(
    generated: Classes,
    reference: Classes,
    covered: npt.NDArray[np.bool_] | None,
    covered_classes: Classes,
    names: Sequence[str],
) -> tuple[ClassRow, ...]:
    """A row for each of `names`, in their order.

    covered: which reference images' balls hold a generated image, of those that were asked; covered_classes: theirs.
        None where coverage says nothing, see `manifold`.
    """
    made, real = class_shares(generated, len(names)), class_shares(reference, len(names))
    asked = [
        covered[covered_classes == number] if covered is not None else np.empty(0, np.bool_)
        for number in range(len(names))
    ]
    return tuple(
        ClassRow(
            name,
            _share(made[number], len(generated)),
            _share(real[number], len(reference)),
            _share(float(asked[number].mean()), len(asked[number])) if len(asked[number]) else None,
        )
        for number, name in enumerate(names)
    )


def _share(share: float, count: int) -> Measurement:
    return Measurement(float(share), float(np.sqrt(share * (1 - share) / count)))
