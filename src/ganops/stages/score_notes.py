"""What somebody who reads a score should know beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from ganops.evaluation.conventions import NEIGHBOURS, PAIRWISE_LIMIT
from ganops.evaluation.manifold import MOST_REPEATED, repeated_rows
from ganops.stages.reference import IMAGES_PER_DIMENSION, LEAST_RECOGNISED
from ganops.stages.score_extractor import Chosen
from ganops.stages.score_fitting import SETTINGS
from ganops.stages.score_inputs import Features, Images, Input, Model, Pinned
from ganops.stages.score_looking import Seen
from ganops.stages.score_shared import Shared

_WEAK: Mapping[str, float] = {"classifier": SETTINGS.min_accuracy, "pretext": LEAST_RECOGNISED}
"""Accuracy under which a workspace would refuse such an extractor."""
FEW_FOR_SHARES, FEW_FOR_COVERAGE = 100, 1000
_ALIKE = 0.1
"""Counts that differ by less are as good as equal."""
_LOWERED = {"a": ("recall",), "b": ("precision", "density", "coverage")}
"""By balls that hold nothing."""
_FEW_FOR_FEATURES: Mapping[str, str] = {
    "fd_star": "fd_star is rough, and its interval may be too narrow",
    "fd": "fd is biased upward, and its interval is of that biased figure",
}
_ROLES = {"a": "A", "b": "B", "train": "the training images", "heldout": "the held-out images"}


def notes(
    inputs: Mapping[str, Input], sides: Mapping[str, Seen], chosen: Chosen | None, metrics: frozenset[str]
) -> Iterator[str]:
    """One sentence or two each, most serious first. metrics: that were measured."""
    yield from _collapsed(sides["a"])
    yield from _the_same(inputs, sides)
    yield from _trained_on_the_reference(inputs)
    yield from _few(sides, metrics)
    if chosen is not None:
        yield from notes_on_extractor(chosen)
    yield from dict.fromkeys(
        remark for item in inputs.values() if isinstance(item, Images) for remark in item.images.remarks
    )


def notes_on_extractor(chosen: Chosen) -> Iterator[str]:
    """What weakens it as a judge."""
    card = chosen.extractor.card
    if card.accuracy is not None and card.accuracy < _WEAK.get(card.kind, 0.0):
        yield (
            f"The extractor gets only {card.accuracy:.1%} of held-out images right ({card.task}): it is a weak judge. "
            "Name more images with --train, or another extractor."
        )
    if chosen.fitted_on == "b":
        yield (
            "The extractor was fitted to B itself, so that it may see B more sharply than A, and distances may come "
            "out larger. Name other images of the same kind with --train, or a pinned extractor with --extractor DIR."
        )


def _collapsed(a: Seen) -> Iterator[str]:
    if _is_one_image(a):
        yield (
            f"All {len(a):,} images of A look the same: it has collapsed onto one image. Distances and shares say how "
            "far that is from B."
        )


def _is_one_image(side: Seen) -> bool:
    return side.features.size > 0 and len(side) > 1 and not bool(np.ptp(side.features, axis=0).any())


def _the_same(inputs: Mapping[str, Input], sides: Mapping[str, Seen]) -> Iterator[str]:
    if sides["a"].same_as(sides["b"]):
        yield (
            "A and B are the same: every distance is 0 by definition, and intervals, meant for independent images, say "
            "nothing."
        )
        return
    common = Shared(inputs, sides)
    for one, other in (("a", "b"), ("a", "train"), ("b", "train"), ("heldout", "train")):
        found = common.count(one, other)
        if found is None or not found[0]:
            continue
        how = "number for number" if isinstance(inputs[one], Features) else "pixel for pixel"
        yield f"{found[0]:,} of {found[1]:,} images of {_ROLES[one]} are among {_ROLES[other]}, {how}."


def _trained_on_the_reference(inputs: Mapping[str, Input]) -> Iterator[str]:
    a, b = inputs["a"], inputs["b"]
    if isinstance(a, Model) and len(a.trained_on) and isinstance(b, Images | Pinned):
        seen = int(np.isin(b.origins(), a.trained_on).sum())
        if seen:
            yield (
                f"A was trained on {seen:,} of the {len(b):,} images of B: it is judged by what it has seen, and "
                "copies count as quality."
            )


def _few(sides: Mapping[str, Seen], metrics: frozenset[str]) -> Iterator[str]:
    wide, counts = sides["a"].features.shape[1], {role: len(sides[role]) for role in ("a", "b")}
    if wide == 0:  # only pixels are asked for
        return
    yield from _steps(counts, metrics)
    for role, count in counts.items():
        repeated = int(repeated_rows(sides[role].features).sum())
        measured = not _is_one_image(sides[role]) if role == "a" else repeated <= MOST_REPEATED * count
        lowered = [name for name in _LOWERED[role] if name in metrics]
        if repeated and measured and lowered:  # else it is told above, or they are left out
            yield (
                f"{repeated:,} of {count:,} images of {_ROLES[role]} look the same as {NEIGHBOURS} others or more: "
                f"nothing can lie in their balls, which lowers {' and '.join(lowered)}."
            )
    for role, count in counts.items():
        told = [says for name, says in _FEW_FOR_FEATURES.items() if name in metrics]
        if count < IMAGES_PER_DIMENSION * wide and told:
            yield (
                f"{_ROLES[role]} has {count:,} images, fewer than {IMAGES_PER_DIMENSION} for each of {wide:,} "
                f"features: {'; '.join(told)}."
            )


def _steps(counts: Mapping[str, int], metrics: frozenset[str]) -> Iterator[str]:
    """What counts do to shares. Those over pairs look at no more than `PAIRWISE_LIMIT` images of a side."""
    for role, shares in (("a", ("precision", "density")), ("b", ("recall", "coverage"))):
        rough = [name for name in shares if name in metrics]
        if counts[role] < FEW_FOR_SHARES and rough:
            yield (
                f"{_ROLES[role]} has only {counts[role]:,} images, each of which is {1 / counts[role]:.1%} of "
                f"{' and of '.join(rough)}: the interval is rough."
            )
    made, real = (min(counts[role], PAIRWISE_LIMIT) for role in ("a", "b"))
    alike = abs(made - real) <= _ALIKE * max(made, real)
    if "coverage" in metrics and not (alike and made >= FEW_FOR_COVERAGE):
        yield (
            f"Coverage and recall depend on the counts, here {made:,} images of A and {real:,} of B: images just like "
            f"B's would have a coverage of {coverage_of_equals(made, real):.2f}. Compare them with scores of the same "
            "counts alone."
        )


def coverage_of_equals(made: int, real: int) -> float:
    """The coverage that `made` images of B's own distribution would have on average: the chance that of `made` and
    `real` - 1 images in random order around one of B not all of the `NEIGHBOURS` nearest are B's."""
    return 1 - math.prod((real - 1 - rank) / (made + real - 1 - rank) for rank in range(NEIGHBOURS))
