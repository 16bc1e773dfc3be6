"""What somebody who reads a score should know beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt

from ganops.stages.reference import IMAGES_PER_DIMENSION, LEAST_RECOGNISED
from ganops.stages.score_extractor import Chosen
from ganops.stages.score_fitting import SETTINGS
from ganops.stages.score_inputs import Images, Input, Model, Pinned
from ganops.stages.score_looking import Seen

_WEAK: Mapping[str, float] = {"classifier": SETTINGS.min_accuracy, "pretext": LEAST_RECOGNISED}
"""Accuracy under which a workspace would refuse such an extractor."""
_ROLES = {"a": "A", "b": "B", "train": "the training images", "heldout": "the held-out images"}


def notes(inputs: Mapping[str, Input], sides: Mapping[str, Seen], chosen: Chosen | None) -> Iterator[str]:
    """One sentence each, most serious first."""
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


def _the_same(inputs: Mapping[str, Input], sides: Mapping[str, Seen]) -> Iterator[str]:
    @cache
    def pixels(role: str) -> npt.NDArray[np.uint64]:
        item = inputs[role]
        return item.images.fingerprints() if isinstance(item, Images) else np.empty(0, np.uint64)

    if inputs["a"] is inputs["b"] or sides["a"].sha256 == sides["b"].sha256:
        yield "A and B are the same: the plain distance is 0, and intervals, meant for independent images, say nothing."
        return
    for one, other in (("a", "b"), ("a", "train"), ("b", "train"), ("heldout", "train")):
        if one not in inputs or other not in inputs:
            continue
        shared = int(np.isin(pixels(one), pixels(other)).sum())
        if shared:
            there = f"{shared:,} of {len(pixels(one)):,} images of {_ROLES[one]}"
            yield f"{there} are among {_ROLES[other]}, pixel for pixel."


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
    for role in ("a", "b"):
        if len(sides[role]) < IMAGES_PER_DIMENSION * wide:
            yield (
                f"{_ROLES[role]} has {len(sides[role]):,} images, fewer than {IMAGES_PER_DIMENSION} for each of "
                f"{wide:,} features: the Fréchet distance is rough, and its interval may be too narrow."
            )
