"""What an extractor sees in images that are there, in a model's, or what features that were given hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

from ganops.data.image_set import ImageSet
from ganops.evaluation.distances import subset_rows
from ganops.evaluation.extractors import Extractor
from ganops.evaluation.reference import TRAIN_LIMIT
from ganops.evaluation.sample import BATCH_SIZE
from ganops.files import digest_json, sha256_bytes
from ganops.models.sampling import generate
from ganops.progress import Progress
from ganops.provenance.code import modules_digest
from ganops.stages.score_cache import Arrays, Cache
from ganops.stages.score_inputs import Features, Images, Input, Model, Pinned, checked_features

NUM_IMAGES = 10_000
"""That a model makes, unless told otherwise."""
SHOWN = 256
"""Images of a model that are kept to be looked at."""
_DRAW_STREAM, _TRAIN_STREAM = 5, 0
U8 = npt.NDArray[np.uint8]


@final
@dataclass(frozen=True, eq=False)
class Seen:
    """One side as it is measured.

    kind: `images`, `model`, `features` or `reference`. sha256: of the images' pixels, the snapshot, the features, or
        what identifies a workspace's reference.
    features: (n, d). classes: int64 (n,), as the extractor sees them; None where it knows none.
    images_u8, order: image i of the features is `images_u8[order[i]]`, uint8 (C, H, W), for a person to look at; of a
        model only the first few are there, of features none (None).
    """

    name: str
    kind: str
    sha256: str
    split: str | None
    features: npt.NDArray[Any]
    classes: npt.NDArray[np.int64] | None
    images_u8: U8 | None = None
    order: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.features)

    def shown(self, rows: npt.NDArray[np.int64]) -> U8:
        """The images of these features, uint8 (len(rows), C, H, W)."""
        assert self.images_u8 is not None, "there is nothing to show"
        return np.asarray(self.images_u8[self.order[rows]])

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "num_images": len(self),
            "split": self.split,
            "sha256": self.sha256,
        }


def look(
    role: str,
    item: Input,
    extractor: Extractor | None,
    num_images: int | None,
    seed: int,
    cache: Cache,
    progress: Progress,
) -> Seen:
    """Features of one side. A's are put in an order that means nothing: images often lie sorted by class, and some
    metrics look at the first few thousand only.

    num_images: that a model makes; of A's images or features at most that many are drawn.

    Raises:
        DataRefused: the features are not finite, or all the same.
    """
    if isinstance(item, Model):
        assert extractor is not None, "a model's images are looked at"
        return _made(role, item, extractor, num_images or NUM_IMAGES, seed, progress)
    count = len(item)
    rows = _rows(role, count, num_images, seed)
    if isinstance(item, Pinned):
        sample = item.sample
        classes = sample.classes[rows] if sample.num_classes else None
        return Seen(item.name, "reference", sample.hash, sample.split, sample.features[rows], classes)
    if isinstance(item, Features):
        features = item.features[rows]
        digest = digest_json({"shape": list(features.shape), "features": sha256_bytes(features.tobytes())})
        return Seen(item.name, "features", digest, None, features, None)
    assert extractor is not None, "images are looked at"
    return _looked(item, rows, extractor, cache, progress)


def _rows(role: str, count: int, num_images: int | None, seed: int) -> npt.NDArray[np.int64]:
    """Which images, in which order."""
    if role == "a":
        shuffled = np.random.Generator(np.random.Philox(key=[seed, _DRAW_STREAM])).permutation(count)
        return shuffled[:num_images]
    return subset_rows(count, TRAIN_LIMIT, _TRAIN_STREAM) if role == "train" else np.arange(count)


def _looked(item: Images, rows: npt.NDArray[np.int64], extractor: Extractor, cache: Cache, progress: Progress) -> Seen:
    whole = len(rows) == len(item)
    ascending = np.sort(rows)
    images: ImageSet = item.images if whole else item.images.take(ascending)
    digest = images.sha256()

    def observe() -> Arrays:
        observed = extractor.observe(images.images_u8, progress=progress)
        checked_features(observed.features, item.name)
        return {"features": observed.features, "probabilities": observed.probabilities}

    seen = cache.recall(_key(extractor, digest), observe)
    progress(len(images), len(images), "done")
    order = np.searchsorted(ascending, rows)
    return Seen(
        name=item.name,
        kind="images",
        sha256=digest,
        split=item.split,
        features=seen["features"][order],
        classes=seen["probabilities"][order].argmax(1) if extractor.card.classes else None,
        images_u8=images.images_u8,
        order=order,
    )


def _made(role: str, model: Model, extractor: Extractor, count: int, seed: int, progress: Progress) -> Seen:
    """Images are streamed to the extractor: beside their features only `SHOWN` of them are kept."""
    if role != "a":
        seed += 1  # other latents than A's, or a model against itself would make the same images twice
    generator = model.snapshot.generator
    features = np.empty((count, extractor.dim), np.float32)
    classes = np.empty(count, np.int64)
    kept: list[U8] = []
    done = 0
    for batch in generate(generator, count, seed, BATCH_SIZE):
        observed = extractor.observe(batch)
        part = slice(done, done + len(batch))
        features[part] = observed.features
        if extractor.card.classes:
            classes[part] = observed.classes
        if done < SHOWN:
            kept.append(batch.numpy()[: SHOWN - done])
        done = part.stop
        progress(done, count, "generating and looking")
    progress(count, count, "done")
    return Seen(
        name=model.name,
        kind="model",
        sha256=model.snapshot.sha256,
        split=None,
        features=checked_features(features, model.name),
        classes=classes if extractor.card.classes else None,
        images_u8=np.concatenate(kept),
        order=np.arange(min(count, SHOWN)),
    )


def _key(extractor: Extractor, images_sha256: str) -> dict[str, Any]:
    """All that the features of images depend on."""
    return {
        "what": "features",
        "extractor": extractor.sha256,
        "images": images_sha256,
        "code": modules_digest("ganops.evaluation.extractors"),
        "torch": torch.__version__,
    }
