"""score: how near any images, features or model (A) come to any others (B), without a workspace.

`score` is the one path to read. The metrics are the gate's own: `compare` with one model and no champion.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache as remembered
from functools import partial
from pathlib import Path
from typing import Any, final, get_args

import numpy as np
import numpy.typing as npt

from ganops.errors import UnknownName, UserError
from ganops.evaluation.classes import class_shares
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.judge import Metric
from ganops.stages.score_cache import Cache
from ganops.stages.score_extractor import Chosen, Fitting, choose_extractor, named_extractor, require_fitting
from ganops.stages.score_inputs import Features, Images, Input, Pinned, Registries, Wanted, open_input
from ganops.stages.score_looking import Seen, look
from ganops.stages.score_measuring import measure, require_comparable, require_one_shape
from ganops.stages.score_notes import notes

METRICS: tuple[str, ...] = get_args(Metric)
WITH_TRAIN = frozenset({"memorisation"})
"""Metrics that look at training images."""
ROLES = ("a", "b", "train", "heldout")
Observer = Callable[[str, int, int, str], None]
"""Told `(step, done, total, note)`; `total` is 0 while it is unknown."""


@final
@dataclass(frozen=True)
class ScoreRequest:
    """What the command line says. a is judged, b is the reference; see docs/cli.md for the words of each."""

    a: str
    b: str
    metrics: tuple[str, ...] = ()
    """None of them: every one that applies."""
    extractor: str | None = None
    split: str | None = None
    train: str | None = None
    heldout: str | None = None
    num_images: int | None = None
    seed: int = 0


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
    wanted = _wanted_metrics(request)
    inputs = _opened(request, registries, observe)
    shape = require_one_shape(inputs)
    chosen = _chosen(request, inputs, shape, workspace_extractor, cache, observe)
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


# ---------------------------------------------------------------- what was asked for


def _wanted_metrics(request: ScoreRequest) -> tuple[str, ...]:
    """The metrics that were asked for, all where none was.

    Raises:
        UnknownName: one is not known; names the nearest.
        UserError: one needs training images, and none are given.
    """
    wanted = tuple(name.strip().lower().replace("-", "_") for name in request.metrics)
    for name in wanted:
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1)
            meant = f", did you mean '{near[0]}'?" if near else "."
            raise UnknownName(f"There is no metric '{name}'{meant} Metrics are {', '.join(METRICS)}.")
        if name in WITH_TRAIN and request.train is None:
            raise UserError(f"The metric '{name}' looks for copies of training images: name these with --train.")
    if request.heldout is not None and request.train is None:
        raise UserError("--heldout is held against training images: name these with --train.")
    return wanted


def _splits(request: ScoreRequest) -> tuple[Wanted, Wanted]:
    """A and B with the split of each: `train:test` is A's and B's, one name is meant for whichever has it."""
    if request.split is None:
        return Wanted(request.a), Wanted(request.b)
    names = [None if name.strip() in ("", "all") else name.strip().lower() for name in request.split.split(":")]
    if len(names) > 2:
        raise UserError(
            f"'--split {request.split}' has more than two parts: write A's and B's split, as in train:test."
        )
    required = len(names) == 2
    return Wanted(request.a, names[0], required), Wanted(request.b, names[-1], required)


def _opened(request: ScoreRequest, registries: Registries, observe: Observer) -> dict[str, Input]:
    """By role; the same words are read once."""

    @remembered
    def read(wanted: Wanted) -> Input:
        return open_input(wanted, registries, partial(observe, f"read {Path(wanted.spec).name or wanted.spec}"))

    a, b = _splits(request)
    found = {"a": read(a), "b": read(b)}
    if request.train is not None:
        found["train"] = read(Wanted(request.train, "train", required=False))
    if request.heldout is not None:
        found["heldout"] = read(Wanted(request.heldout, "test", required=False))
    given = {getattr(found[role], "split", None) for role in ("a", "b")}
    if request.split is not None and not a.required and a.split not in given:
        raise UserError(
            f"Neither '{request.a}' nor '{request.b}' has a split '{a.split}' of its own. Leave --split out to take "
            "all of their images."
        )
    return found


# ---------------------------------------------------------------- whose eyes


def _chosen(
    request: ScoreRequest,
    inputs: Mapping[str, Input],
    shape: tuple[int, int, int] | None,
    workspace_extractor: Path | None,
    cache: Cache,
    observe: Observer,
) -> Chosen | None:
    """The extractor; None where all that was given is features."""
    given = [item for item in inputs.values() if isinstance(item, Features)]
    pinned = [item for item in inputs.values() if isinstance(item, Pinned)]
    if pinned:
        return _of_reference(request, pinned, given, shape)
    if shape is None:
        if request.extractor is not None:
            raise UserError("--extractor is for images, and all that was given is features. Leave it out.")
        return None
    if given and (request.extractor is None or request.extractor == "classifier"):
        raise UserError(
            f"{given[0].name} holds features and not images, so that the others have to be looked at by the extractor "
            "that made them: name it with --extractor DIR."
        )
    return choose_extractor(
        request.extractor, shape, workspace_extractor, _fitting(inputs), cache, partial(observe, "fit the extractor")
    )


def _of_reference(
    request: ScoreRequest, pinned: Sequence[Pinned], given: Sequence[Features], shape: tuple[int, int, int] | None
) -> Chosen:
    """The one that the reference was made with: no other sees what it sees."""
    first, extractor = pinned[0], pinned[0].extractor
    if other := next((item for item in pinned if item.extractor.sha256 != extractor.sha256), None):
        raise UserError(
            f"{first.name} and {other.name} are of different protocols: their extractors are {extractor.sha256[:8]} "
            f"and {other.extractor.sha256[:8]}. Score against the images themselves."
        )
    if given:
        raise UserError(
            f"Of the features in {given[0].name} nobody can tell whether they are of the extractor that {first.name} "
            "was made with. Score the images themselves."
        )
    if request.extractor is not None and named_extractor(request.extractor).sha256 != extractor.sha256:
        raise UserError(
            f"{first.name} is of another protocol: it was made with the extractor {extractor.sha256[:8]}, and "
            f"--extractor {request.extractor} is another. Leave it out, or score against the images themselves."
        )
    require_fitting(extractor, first.name, shape)
    return Chosen(extractor, f"of {first.name}")


def _fitting(inputs: Mapping[str, Input]) -> Fitting | None:
    """The training images where there are any, else B."""
    role = "train" if "train" in inputs else "b"
    item = inputs[role]
    return Fitting(role, item.name, item.images) if isinstance(item, Images) else None


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
