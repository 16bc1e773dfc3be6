"""score: how near any images, features or model (A) come to any others (B), without a workspace.

`score` is the one path to read. The metrics are the gate's own: `compare` with one model and no champion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ganops.errors import DataRefused, ExtractorError, IncomparableReports
from ganops.evaluation.classes import class_shares
from ganops.evaluation.comparison import Comparison
from ganops.evaluation.conventions import NEIGHBOURS
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.extractors import Extractor
from ganops.evaluation.intervals import shown_interval
from ganops.evaluation.judge import PIXELS
from ganops.evaluation.memorisation import MIN_IMAGES
from ganops.evaluation.protocol import Protocol
from ganops.stages.score_applying import Known, applying, cannot, known_before, require_measurable, why_not
from ganops.stages.score_cache import Cache
from ganops.stages.score_extractor import Chosen, choose_extractor, made, require_alike
from ganops.stages.score_inputs import Registries
from ganops.stages.score_looking import Looking, Seen
from ganops.stages.score_measuring import (
    held_out_in_training,
    measure,
    require_comparable,
    require_enough,
    require_varied,
)
from ganops.stages.score_notes import notes
from ganops.stages.score_request import (
    METRICS,
    Observer,
    ScoreRequest,
    open_inputs,
    wanted_metrics,
)

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
    protocol: Protocol
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As docs/cli.md has it; a number that is not finite is None."""
        return {
            "score": self.score,
            **{role: self.sides[role].to_json() if role in self.sides else None for role in ROLES},
            "metrics": {name: _measurement_json(name, item) for name, item in self.metrics.items()},
            "not_applicable": dict(self.missing),
            "classes": [vars(item) for item in self.classes],
            "protocol": {
                **self.protocol.to_json(),
                "extractor_origin": self.chosen.origin if self.chosen else None,
                "extractor_task": self.chosen.extractor.card.task if self.chosen else None,
                "dim": int(self.sides["a"].features.shape[1]),
            },
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
    require_enough(inputs, request.num_images, wanted)
    require_varied(inputs)
    making = partial(observe, "make the extractor")
    with _refusing():
        eyes = None
        if wanted and PIXELS.issuperset(wanted):
            require_alike(inputs, any_size=False)
        else:
            eyes = choose_extractor(request.extractor, inputs, workspace_extractor, making)
        known = known_before(inputs, eyes, request.num_images)
        require_measurable(wanted, known, inputs)
        chosen = made(eyes, cache, making)
        extractor = chosen.extractor if chosen else None
        looking = Looking(extractor, request.num_images, request.seed, "train" in inputs, cache, observe)
        sides = looking.sides(inputs)
        require_comparable(sides)
        known = replace(known, dim=int(sides["a"].features.shape[1]), apart=not held_out_in_training(sides))
        comparison = measure(sides, extractor, request.seed, applying(wanted, known), partial(observe, "measure"))
    metrics, missing = _applicable(comparison, wanted, sides, known)
    return Score(
        score=comparison.protocol.score,
        sides=sides,
        chosen=chosen,
        metrics=metrics,
        missing=missing,
        classes=_class_shares(sides, extractor),
        protocol=comparison.protocol,
        notes=tuple(notes(inputs, sides, chosen, frozenset(metrics))),
    )


@contextmanager
def _refusing() -> Iterator[None]:
    """What the engine says of data that it cannot measure is said of somebody's images here, not of a pipeline's."""
    try:
        yield
    except (ExtractorError, IncomparableReports) as error:
        raise DataRefused(str(error)) from None


def _measurement_json(name: str, item: Measurement) -> dict[str, float | None]:
    low, high = shown_interval(name, item)
    figures = {"value": item.value, "se": item.standard_error, "low": low, "high": high}
    return {name: figure if math.isfinite(figure) else None for name, figure in figures.items()}


# ---------------------------------------------------------------- what applies

_DISTANCES = frozenset({"fd", "fd_star", "kid", "kid_subsets", "kernel_distance"})
_FAR = "is smaller than the rounding of its own arithmetic: the features lie far from 0 for how little they differ"
_REPEATED = (
    f"looks at {NEIGHBOURS} nearest neighbours, and most images of B have {NEIGHBOURS} others or more just like them"
)
_FEW = f"needs {MIN_IMAGES} images of A, and as many training and held-out ones"
_NO_NUMBER: Mapping[str, str] = {
    **dict.fromkeys(("kid", "kid_subsets", "kernel_distance"), _FAR),
    **dict.fromkeys(("precision", "recall", "density", "coverage"), _REPEATED),
    **dict.fromkeys(("memorisation", "copies"), _FEW),
    "mifid": "is infinite: all images of A lie on training images",
}
"""Why a metric that the engine has is no finite number."""


def _applicable(
    comparison: Comparison, wanted: Sequence[str], sides: Mapping[str, Seen], known: Known
) -> tuple[dict[str, Measurement], dict[str, str]]:
    """Metrics that could be measured, and why others could not.

    Raises:
        UserError: one that was asked for by name is not among them.
    """
    found = _figures(comparison, sides, known)
    metrics = {name: item for name, item in found.items() if item.finite and (not wanted or name in wanted)}
    missing = {
        name: why_not(name, known) or _NO_NUMBER.get(name, "is no finite number here")
        for name in wanted or METRICS
        if name not in metrics
    }
    if wanted and missing:
        raise cannot(*next(iter(missing.items())))
    return metrics, missing


def _figures(comparison: Comparison, sides: Mapping[str, Seen], known: Known) -> dict[str, Measurement]:
    """What the engine has found, less what says nothing here."""
    found = {str(name): contrast.challenger for name, contrast in comparison.metrics.items()}
    if sides["a"].same_as(sides["b"]):  # no independent draws, for which these are made
        return found | dict.fromkeys(_DISTANCES & found.keys(), Measurement(0.0, 0.0))
    return {name: item for name, item in found.items() if why_not(name, known) is None}


def _class_shares(sides: Mapping[str, Seen], extractor: Extractor | None) -> tuple[ClassShare, ...]:
    names = extractor.card.classes if extractor else ()
    made, real = sides["a"].classes, sides["b"].classes
    if not names or made is None or real is None:
        return ()
    shares: list[npt.NDArray[np.float64]] = [class_shares(classes, len(names)) for classes in (made, real)]
    return tuple(ClassShare(name, float(x), float(y)) for name, x, y in zip(names, *shares, strict=True))
