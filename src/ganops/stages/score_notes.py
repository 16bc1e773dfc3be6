"""What somebody who reads a score should know beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ganops.evaluation.manifold import MOST_REPEATED, NEIGHBOURS, repeated_rows
from ganops.stages.reference import IMAGES_PER_DIMENSION, LEAST_RECOGNISED
from ganops.stages.score_extractor import Chosen
from ganops.stages.score_fitting import SETTINGS
from ganops.stages.score_inputs import Features, Images, Input, Model, Pinned
from ganops.stages.score_looking import Seen
from ganops.stages.score_shared import Shared

_WEAK: Mapping[str, float] = {"classifier": SETTINGS.min_accuracy, "pretext": LEAST_RECOGNISED}
"""Accuracy under which a workspace would refuse such an extractor."""
FEW_FOR_SHARES = 100
_ROLES = {"a": "A", "b": "B", "train": "the training images", "heldout": "the held-out images"}


def notes(inputs: Mapping[str, Input], sides: Mapping[str, Seen], chosen: Chosen | None) -> Iterator[str]:
    """One sentence each, most serious first."""
    yield from _collapsed(sides["a"])
    yield from _the_same(inputs, sides)
    yield from _trained_on_the_reference(inputs)
    yield from _few(sides)
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
        features = isinstance(inputs[one], Features)
        there = f"{found[0]:,} of {found[1]:,} {'features' if features else 'images'} of {_ROLES[one]}"
        yield f"{there} are among {_ROLES[other]}, {'number for number' if features else 'pixel for pixel'}."


def _trained_on_the_reference(inputs: Mapping[str, Input]) -> Iterator[str]:
    a, b = inputs["a"], inputs["b"]
    if isinstance(a, Model) and len(a.trained_on) and isinstance(b, Images | Pinned):
        seen = int(np.isin(b.origins(), a.trained_on).sum())
        if seen:
            yield (
                f"A was trained on {seen:,} of the {len(b):,} images of B: it is judged by what it has seen, and "
                "copies count as quality."
            )


def _few(sides: Mapping[str, Seen]) -> Iterator[str]:
    wide = sides["a"].features.shape[1]
    if wide == 0:  # only pixels are asked for
        return
    for role in ("a", "b"):
        count = len(sides[role])
        if count < FEW_FOR_SHARES:
            yield (
                f"{_ROLES[role]} has only {count:,} images: precision, recall, density and coverage come in steps of "
                f"{1 / count:.1%}, and their intervals are rough."
            )
        repeated = int(repeated_rows(sides[role].features).sum())
        measured = not _is_one_image(sides[role]) if role == "a" else repeated <= MOST_REPEATED * count
        if repeated and measured:  # else it is told above, or they are left out
            yield (
                f"{repeated:,} of {count:,} images of {_ROLES[role]} look the same as {NEIGHBOURS} others or more: "
                "nothing can lie in their balls, which lowers "
                f"{'recall' if role == 'a' else 'precision, density and coverage'}."
            )
    for role in ("a", "b"):
        if len(sides[role]) < IMAGES_PER_DIMENSION * wide:
            yield (
                f"{_ROLES[role]} has {len(sides[role]):,} images, fewer than {IMAGES_PER_DIMENSION} for each of "
                f"{wide:,} features: the Fréchet distance is rough, and its interval may be too narrow."
            )
