"""score: how near any images, features or model (A) come to any others (B), without a workspace.

`score` is the one path to read. The metrics are the gate's own: `compare` with one model and no champion.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ganops.errors import UserError
from ganops.evaluation.classes import class_shares
from ganops.evaluation.estimate import Measurement
from ganops.stages.score_cache import Cache
from ganops.stages.score_extractor import Chosen, choose_extractor
from ganops.stages.score_inputs import Registries
from ganops.stages.score_looking import Seen, look
from ganops.stages.score_measuring import measure, require_comparable, require_enough
from ganops.stages.score_notes import notes
from ganops.stages.score_request import METRICS, WITH_TRAIN, Observer, ScoreRequest, open_inputs, wanted_metrics

ROLES = ("a", "b", "train", "heldout")


@final
@dataclass(frozen=True)
class ClassShare:
    """A class, and its shares of A and of B as the extractor sees them."""

    name: str
    made: float
    real: float


@final
@dataclass(frozen=True, eq=False)
class Score:
    """What was found. score: what the Fréchet distance is called. missing: why a metric does not apply."""

    score: str
    sides: Mapping[str, Seen]
    """`a`, `b`, and where they were given `train` and `heldout`."""
    chosen: Chosen | None
    metrics: Mapping[str, Measurement]
    missing: Mapping[str, str]
    classes: tuple[ClassShare, ...]
    protocol: Mapping[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As docs/cli.md has it; a number that is not finite is None."""
        return {
            "score": self.score,
            **{role: self.sides[role].to_json() if role in self.sides else None for role in ROLES},
            "metrics": {name: _measurement_json(item) for name, item in self.metrics.items()},
            "not_applicable": dict(self.missing),
            "classes": [vars(item) for item in self.classes],
            "protocol": {**self.protocol, "extractor_origin": self.chosen.origin if self.chosen else None},
            "notes": list(self.notes),
        }


def score(
    request: ScoreRequest,
    registries: Registries,
    workspace_extractor: Path | None,
    cache: Cache,
    observe: Observer,
) -> Score:
    """Measure A against B.

    registries: where `models:/…` is looked up. workspace_extractor: the directory of the workspace's own, if there is
    one. observe: told how far it is.

    Raises:
        UserError: wrong use, such as a metric that is not known, or two sides that cannot be compared.
        DataRefused: a source that cannot be used.
        DamagedFile: an extractor or a model whose files are damaged.
    """
    wanted = wanted_metrics(request)
    inputs = open_inputs(request, registries, observe)
    require_enough(inputs, request.num_images)
    chosen = choose_extractor(
        request.extractor, inputs, workspace_extractor, cache, partial(observe, "fit the extractor")
    )
    extractor = chosen.extractor if chosen else None
    count = request.num_images
    sides = {
        role: look(role, item, extractor, count, request.seed, cache, partial(observe, f"look at {_shown(role)}"))
        for role, item in inputs.items()
    }
    require_comparable(sides)
    found = measure(sides, extractor, request.seed, partial(observe, "measure"))
    metrics, missing = _applicable(found.metrics, wanted, extractor is not None)
    return Score(
        score=found.score,
        sides=sides,
        chosen=chosen,
        metrics=metrics,
        missing=missing,
        classes=_class_shares(sides, chosen),
        protocol=found.protocol,
        notes=tuple(notes(inputs, sides, chosen)),
    )


def _measurement_json(item: Measurement) -> dict[str, float | None]:
    figures = {"value": item.value, "se": item.standard_error, "low": item.low, "high": item.high}
    return {name: figure if math.isfinite(figure) else None for name, figure in figures.items()}


# ---------------------------------------------------------------- what applies


def _applicable(
    found: Mapping[str, Measurement], wanted: Sequence[str], with_classes: bool
) -> tuple[dict[str, Measurement], dict[str, str]]:
    """Metrics that could be measured, and why others could not.

    Raises:
        UserError: one that was asked for by name is not among them.
    """
    metrics = {name: item for name, item in found.items() if item.finite and (not wanted or name in wanted)}
    missing = {name: _reason(name, found, with_classes) for name in (wanted or METRICS) if name not in metrics}
    if wanted and missing:
        name = next(iter(missing))
        raise UserError(f"The metric '{name}' cannot be measured here: {missing[name]}.")
    return metrics, missing


def _reason(name: str, found: Mapping[str, Measurement], with_classes: bool) -> str:
    if name in WITH_TRAIN and name not in found:
        return "needs training images (--train)"
    if name in found:
        return "is no finite number here: too few images, or too much alike"
    if name == "inception_score":
        return "is defined for the Inception network alone"
    return "the extractor knows no classes" if with_classes else "features alone do not say of what class they are"


def _class_shares(sides: Mapping[str, Seen], chosen: Chosen | None) -> tuple[ClassShare, ...]:
    names = chosen.extractor.card.classes if chosen else ()
    made, real = sides["a"].classes, sides["b"].classes
    if not names or made is None or real is None:
        return ()
    shares: list[npt.NDArray[np.float64]] = [class_shares(classes, len(names)) for classes in (made, real)]
    return tuple(ClassShare(name, float(x), float(y)) for name, x, y in zip(names, *shares, strict=True))


def _shown(role: str) -> str:
    return role.upper() if len(role) == 1 else role
