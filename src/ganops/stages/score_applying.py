"""Which metrics apply, told before an extractor is fitted or anything is measured."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from ganops.errors import UserError
from ganops.evaluation.conventions import INCEPTION_SCORE_SPLITS
from ganops.evaluation.judge import CENTRED, PIXELS, Metric
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.reference import train_rows
from ganops.stages.score_extractor import Chosen, Planned
from ganops.stages.score_inputs import Features, Images, Input, Model, Pinned
from ganops.stages.score_looking import NUM_IMAGES
from ganops.stages.score_measuring import mostly_apart
from ganops.stages.score_request import METRICS, WITH_TRAIN

LEAST_PARTS = 2 * INCEPTION_SCORE_SPLITS
"""Images of A that an Inception score needs."""


@final
@dataclass(frozen=True)
class Known:
    """What decides whether a metric applies.

    kind: of the extractor; None where there is none, since features were given or pixels alone are asked for.
    dim: width of the features. counts: of A's and B's images. classes: whether the extractor knows any.
    trained: whether there are training images. alike: whether A, training and held-out images are there, and of one
    size. apart: whether the held-out images are not among the training images, as far as anybody has looked.
    """

    kind: str | None
    dim: int
    counts: tuple[int, int]
    classes: bool
    trained: bool
    alike: bool
    apart: bool = True


def known_before(inputs: Mapping[str, Input], eyes: Chosen | Planned | None, num_images: int | None) -> Known:
    """eyes: the extractor; None where there is none."""
    a, b = inputs["a"], inputs["b"]
    own = {item.features.shape[1] for item in (a, b) if isinstance(item, Features)}
    return Known(
        kind=eyes.kind if eyes else None,
        dim=eyes.dim if eyes else max(own, default=0),
        counts=(_count(a, num_images, drawn=True), _count(b, num_images)),
        classes=eyes.knows_classes if eyes else False,
        trained="train" in inputs,
        alike=_alike(inputs),
    )


def require_measurable(wanted: Sequence[str], known: Known, inputs: Mapping[str, Input]) -> None:
    """Raises UserError where a metric that was asked for by name does not apply, with all that it lacks."""
    for name in wanted:
        if why := why_not(name, known):
            raise cannot(name, why)
    asked = next((name for name in wanted if name in PIXELS), None)
    if asked and not _apart(inputs):
        raise cannot(asked, f"needs {_HELD_OUT}")


def applying(wanted: Collection[str], known: Known) -> frozenset[Metric]:
    """Those of `wanted`, or of all, that the engine is asked for."""
    return frozenset(name for name in METRICS if (not wanted or name in wanted) and why_not(name, known) is None)


_HELD_OUT = "held-out images that are not among the training images (--heldout)"


def why_not(name: str, known: Known) -> str | None:
    """Why a metric does not apply, in words that follow its name; None where it does."""
    needs = [*_of_the_extractor(name, known), *_of_the_images(name, known)]
    return f"needs {', and '.join(needs)}" if needs else None


def _of_the_extractor(name: str, known: Known) -> Iterator[str]:
    if name == "mifid" and known.kind in CENTRED:
        yield "features of Inception or of a network of yours (--extractor inception)"
    if name == "inception_score" and known.kind != "inception":
        yield (
            "images, and the Inception network (--extractor inception)"
            if known.kind is None
            else ("the Inception network (--extractor inception)")
        )
    if name == "class_coverage" and not known.classes:
        yield (
            "images, whose classes can be told"
            if known.kind is None
            else ("an extractor that knows classes (--extractor classifier, and labels in --train or B)")
        )


def _of_the_images(name: str, known: Known) -> Iterator[str]:
    if name in WITH_TRAIN and not known.trained:
        yield "training images (--train)"
    elif name in PIXELS and not known.alike:
        yield "images of one size, of A, training and held-out ones"
    elif name in PIXELS and not known.apart:
        yield _HELD_OUT
    if name == "fd_star" and min(known.counts) <= known.dim:
        yield (
            f"more images than features on either side, {known.dim + 1:,} here: its interval would miss by far "
            "otherwise"
        )
    if name == "inception_score" and known.kind == "inception" and known.counts[0] < LEAST_PARTS:
        yield f"{LEAST_PARTS} images of A"


def cannot(name: str, why: str) -> UserError:
    """That a metric was asked for by name, and why it does not apply."""
    return UserError(f"The metric '{name}' cannot be measured here: it {why}.")


def _count(item: Input, num_images: int | None, drawn: bool = False) -> int:
    if isinstance(item, Model):
        return num_images or NUM_IMAGES
    return min(len(item), num_images or len(item)) if drawn else len(item)


# ---------------------------------------------------------------- pixels


def _held_out(inputs: Mapping[str, Input]) -> Input:
    return inputs.get("heldout", inputs["b"])


def _alike(inputs: Mapping[str, Input]) -> bool:
    """Whether A, training and held-out images are there, as wide as each other when they are made small."""
    if "train" not in inputs:
        return False
    return len({_width(inputs["a"]), _width(inputs["train"]), _width(_held_out(inputs))} | {0}) == 2


def _width(item: Input) -> int:
    """Of small pixels; 0 where there are none."""
    if isinstance(item, Images | Model):
        return int(pixel_features(np.zeros((1, *item.shape), np.uint8)).shape[1])
    return item.sample.pixels.shape[1] if isinstance(item, Pinned) and item.sample.pixels.size else 0


def _apart(inputs: Mapping[str, Input]) -> bool:
    """Whether held-out images are not among the training images; True where that is seen only when they are made."""
    held_out, train = _pixels(_held_out(inputs)), _pixels(inputs["train"], training=True)
    return held_out is None or train is None or mostly_apart(held_out, train)


def _pixels(item: Input, training: bool = False) -> npt.NDArray[np.float32] | None:
    if isinstance(item, Pinned):
        return item.sample.train_pixels if training else item.sample.pixels
    if isinstance(item, Images):
        images = item.images.images_u8
        return pixel_features(images[train_rows(len(images))] if training else images)
    return None
