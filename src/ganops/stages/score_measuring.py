"""From two sides to metrics: the gate's own engine, with A as the only model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ganops.errors import DataRefused, TooFewImages, UserError
from ganops.evaluation.compare import compare
from ganops.evaluation.comparison import Comparison
from ganops.evaluation.conventions import NEIGHBOURS
from ganops.evaluation.extractors import Extractor
from ganops.evaluation.judge import PIXELS, Metric
from ganops.evaluation.memorisation import MIN_IMAGES
from ganops.evaluation.protocol import Protocol
from ganops.evaluation.reference import METRIC_VERSION, ReferenceSample, reference_hash
from ganops.evaluation.sample import Sample
from ganops.evaluation.threads import one_thread
from ganops.progress import Progress
from ganops.stages.score_inputs import Features, Images, Input, Model, Pinned
from ganops.stages.score_looking import Seen
from ganops.stages.score_shared import row_prints

_NEIGHBOURS_IN_HALVES = 2 * (NEIGHBOURS + 1)
LEAST_IMAGES: Mapping[str, int] = {
    **dict.fromkeys(("precision", "recall", "density", "coverage"), _NEIGHBOURS_IN_HALVES),
    **dict.fromkeys(("fd", "fd_star", "mifid"), 4),  # a covariance of each half
    **dict.fromkeys(PIXELS, MIN_IMAGES),
}
"""On either side, for an interval; 2 of the other metrics."""
_MOST_SEEN = 0.01
"""Of held-out images: a data set may have a few twice."""
_GIVEN, ALONE = "features", "pixels"
"""What is looked at where there is no extractor."""
_NO_PIXELS = np.empty((0, 0), np.float32)


def require_enough(inputs: Mapping[str, Input], num_images: int | None, wanted: Sequence[str] = ()) -> None:
    """Look before the work whether there is enough to measure with.

    wanted: metrics that were asked for by name; none: all that apply, for which neighbours are needed.

    Raises:
        TooFewImages: A or B has fewer than the metrics need, or the training or held-out images that were named.
    """
    _require_enough_beside(inputs)
    for role in ("a", "b"):
        item = inputs[role]
        asked = [name for name in wanted or ("precision",) if role == "a" or name not in PIXELS]
        if not asked:  # B is only looked at where it is held out
            continue
        most = max(asked, key=lambda name: LEAST_IMAGES.get(name, 2))
        least = LEAST_IMAGES.get(most, 2)
        drawn = num_images if role == "a" or isinstance(item, Model) else None
        there = [count for count in (None if isinstance(item, Model) else len(item), drawn) if count is not None]
        if there and min(there) < least:
            count = min(there)
            why = (
                f", which looks at the {NEIGHBOURS} nearest neighbours, in halves"
                if least == _NEIGHBOURS_IN_HALVES
                else ""
            )
            others = "" if wanted else " Fewer are enough for others: 4 for `--metrics fd,kid`."
            raise TooFewImages(
                f"{count} image{'s' * (count != 1)} of {item.name} would be measured, and at least {least} are needed "
                f"on either side for {most}{why}.{others} For an interval that says something, hundreds are needed."
            )


def require_varied(inputs: Mapping[str, Input]) -> None:
    """Raises DataRefused where all images or features of B, or all training images, are the same; A may have collapsed
    so, and is measured."""
    for item in (inputs[role] for role in ("b", "train") if role in inputs):
        if not isinstance(item, Features | Images) or len(item) == 1:
            continue
        rows = item.features if isinstance(item, Features) else item.images.images_u8
        if not any((row != rows[0]).any() for row in rows):
            alike = "have the same features" if isinstance(item, Features) else "are the same"
            raise DataRefused(
                f"All {len(rows)} images of {item.name} {alike}: nothing can be measured against images without "
                "variety. Name real images as B and with --train; what is judged, and may have collapsed, is A."
            )


def _require_enough_beside(inputs: Mapping[str, Input]) -> None:
    """Of the images beside A and B that copies are looked for with; a reference brings its own, few or not."""
    for role, what in (("train", "training"), ("heldout", "held-out")):
        item = inputs.get(role)
        if item is None or isinstance(item, Model) or item is inputs["b"]:
            continue
        count = len(item.sample.train_features) if role == "train" and isinstance(item, Pinned) else len(item)
        needed = 2 if isinstance(item, Features) else MIN_IMAGES
        if count < needed:
            raise TooFewImages(
                f"{item.name} has {count} image{'s' * (count != 1)}, named as {what} images with --{role}, and at "
                f"least {needed} are needed to look for copies. Name more, or leave --{role} out."
            )


def require_comparable(sides: Mapping[str, Seen]) -> None:
    """Raises UserError for features of different widths."""
    a = sides["a"]
    for side in sides.values():
        if side.features.shape[1] != a.features.shape[1]:
            raise UserError(
                f"The features differ in width: {a.name} has {a.features.shape[1]} numbers for each image and "
                f"{side.name} has {side.features.shape[1]}. Compute both with the same extractor."
            )


def measure(
    sides: Mapping[str, Seen],
    extractor: Extractor | None,
    seed: int,
    metrics: frozenset[Metric],
    progress: Progress,
) -> Comparison:
    """`metrics`, and what the engine finds with them; some may be no finite number."""
    a, reference = sides["a"], _reference(sides, extractor, ALONE if metrics <= PIXELS else _GIVEN)
    protocol = Protocol(
        score=extractor.score_name if extractor else ALONE if metrics <= PIXELS else f"fd_{_GIVEN}",
        extractor=reference.extractor,
        extractor_sha256=reference.extractor_sha256,
        preprocessing=reference.preprocessing,
        split=reference.split,
        reference_hash=reference.hash,
        num_images=len(a),
        num_reference=len(reference.features),
        seed=seed,
        metric_version=reference.metric_version,
        extractor_accuracy=reference.extractor_accuracy,
        grey_repeated=reference.grey_repeated,
    )
    classes = a.classes if a.classes is not None else np.zeros(len(a), np.int64)
    sample = Sample(a.sha256, a.features, classes, protocol, np.empty(0, np.uint64), a.pixels, a.imagenet)
    with one_thread():
        comparison = compare(sample, None, reference, progress, metrics)
    progress(1, 1, "done")
    return comparison


def held_out_in_training(sides: Mapping[str, Seen]) -> bool:
    """Whether the held-out images are not apart from the training images: every honest generator would seem to keep
    away from these."""
    held_out = sides.get("heldout", sides["b"]).pixels
    return _pixels_alike(sides) and not mostly_apart(held_out, sides["train"].pixels)


def mostly_apart(held_out: npt.NDArray[np.float32], train: npt.NDArray[np.float32]) -> bool:
    """Whether at most `_MOST_SEEN` of held_out (h, p) are among train (t, p)."""
    seen = np.isin(row_prints(held_out), row_prints(train))
    return int(seen.sum()) <= round(_MOST_SEEN * len(seen))


def comparable_pixels(sides: Mapping[str, Seen]) -> bool:
    """Whether A, training and held-out images are there, alike in size and, the last two, apart: only then can copies
    be looked for."""
    return _pixels_alike(sides) and not held_out_in_training(sides)


def _pixels_alike(sides: Mapping[str, Seen]) -> bool:
    asked = [sides[role].pixels for role in ("a", "train", "heldout" if "heldout" in sides else "b") if role in sides]
    return len(asked) == 3 and all(pixels.size for pixels in asked) and len({each.shape[1] for each in asked}) == 1


def _reference(sides: Mapping[str, Seen], extractor: Extractor | None, otherwise: str) -> ReferenceSample:
    """otherwise: what stands for the extractor where there is none."""
    b, train, held_out = sides["b"], sides.get("train"), sides.get("heldout", sides["b"])
    sha256 = extractor.sha256 if extractor else otherwise
    card = extractor.card if extractor else None
    with_pixels = comparable_pixels(sides)
    shape = next((side.shape for side in sides.values() if side.shape is not None), None)
    return ReferenceSample(
        split=b.split or "all",
        features=b.features,
        classes=b.classes if b.classes is not None else np.zeros(len(b), np.int64),
        ids=np.empty((0, 32), np.uint8),  # what a model was trained on is told here, and refused by the gate alone
        train_features=train.features if train else b.features[:0],
        num_classes=len(card.classes) if card else 0,
        hash=b.sha256 if b.kind == "reference" else reference_hash(sha256, b.sha256),
        extractor=card.kind if card else otherwise,
        extractor_sha256=sha256,
        preprocessing="as-is@1",
        metric_version=METRIC_VERSION,
        class_names=card.classes if card else (),
        pixels=held_out.pixels if with_pixels else _NO_PIXELS,
        train_pixels=train.pixels if train and with_pixels else _NO_PIXELS,
        extractor_accuracy=card.accuracy if card else None,
        grey_repeated=card.repeats_grey(shape[0]) if card and shape is not None else False,
    )
