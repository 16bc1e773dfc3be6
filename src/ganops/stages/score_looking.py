"""What an extractor sees in images that are there, in a model's, or what features that were given hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.data.image_set import ImageSet
from ganops.errors import SnapshotError
from ganops.evaluation.extractors import Extractor
from ganops.evaluation.judge import CENTRED
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.reference import train_rows
from ganops.evaluation.sample import BATCH_SIZE
from ganops.files import digest_json, sha256_bytes
from ganops.models.networks import Generator
from ganops.models.sampling import evaluating, generate, images_from
from ganops.provenance.code import modules_digest
from ganops.stages.score_cache import Arrays, Cache
from ganops.stages.score_inputs import Features, Images, Input, Model, Pinned, checked_features
from ganops.stages.score_request import Observer

NUM_IMAGES = 10_000
"""That a model makes, unless told otherwise."""
_DRAW_STREAM = 5
U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
_NOTHING: F32 = np.empty((0, 0), np.float32)


@final
@dataclass(frozen=True, eq=False)
class Seen:
    """One side as it is measured, n images.

    kind: `images`, `model`, `features` or `reference`. sha256: of the images' pixels, the snapshot, the features, or
        what identifies a workspace's reference; of its training images, of all that it keeps of them.
    features: (n, d), d being 0 where only pixels are asked for; of training and held-out images only where a metric
        asks for them, else (0, d).
    classes: int64 (n,), as the extractor sees them; None where it knows none. imagenet: see `evaluation.sample.Sample`.
    pixels: (n, p), see `evaluation.pixels`; (0, 0) where there are no images, or no training images to hold against.
    shape: of its images, (C, H, W). shown: those of some rows of the n, uint8 (len(rows), C, H, W), for a person to
        look at; of a model they are made again. None both where there are no images.
    """

    name: str
    kind: str
    sha256: str
    split: str | None
    count: int
    features: npt.NDArray[Any]
    classes: npt.NDArray[np.int64] | None = None
    imagenet: F32 | None = None
    pixels: F32 = field(default_factory=lambda: _NOTHING)
    shape: tuple[int, int, int] | None = None
    shown: Callable[[Rows], U8] | None = None

    def __len__(self) -> int:
        return self.count

    def same_as(self, other: Seen) -> bool:
        """Whether both are the very same images or features; a model makes others each time."""
        return "model" not in (self.kind, other.kind) and (self.sha256, len(self)) == (other.sha256, len(other))

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "num_images": len(self),
            "split": self.split,
            "sha256": self.sha256,
        }


@final
@dataclass(frozen=True)
class Looking:
    """How all sides are looked at.

    extractor: None where features were given, or only pixels are asked for.
    num_images: that a model makes; of A's images or features at most that many are drawn. seed: of latents and draws.
    with_pixels: whether there are training images to hold the others against.
    """

    extractor: Extractor | None
    num_images: int | None
    seed: int
    with_pixels: bool
    cache: Cache
    observe: Observer

    def sides(self, inputs: Mapping[str, Input]) -> dict[str, Seen]:
        """What is seen of each, by role.

        Raises:
            DataRefused: features are not finite.
            ExtractorError: those that the extractor gives are not finite.
        """
        return {role: self._side(role, item) for role, item in inputs.items()}

    def _side(self, role: str, item: Input) -> Seen:
        """A's images are put in an order that means nothing: they often lie sorted by class, and some metrics look at
        the first few thousand only."""
        if isinstance(item, Model):
            return self._made(role, item)
        rows = self._rows(role, len(item))
        if isinstance(item, Features):
            drawn = item.features[np.sort(rows)]  # the digest is of the content, not of its shuffle
            return Seen(item.name, "features", _digest(drawn), None, len(rows), item.features[rows])
        return self._stored(role, item, rows) if isinstance(item, Pinned) else self._looked(role, item, rows)

    def _rows(self, role: str, count: int) -> Rows:
        """Which images, in which order."""
        if role == "a":
            shuffled = np.random.Generator(np.random.Philox(key=[self.seed, _DRAW_STREAM])).permutation(count)
            return shuffled[: self.num_images]
        return train_rows(count) if role == "train" else np.arange(count)

    def _stored(self, role: str, item: Pinned, rows: npt.NDArray[np.int64]) -> Seen:
        sample, width = item.sample, None if self.extractor else 0
        if role == "train":
            return Seen(
                item.name,
                "reference",
                digest_json([_digest(sample.train_features), _digest(sample.train_pixels)]),
                "train",
                len(sample.train_pixels),
                sample.train_features[:, :width],
                pixels=sample.train_pixels,
            )
        classes = sample.classes[rows] if sample.num_classes else None
        seen = Seen(
            item.name, "reference", sample.hash, sample.split, len(rows), sample.features[rows, :width], classes
        )
        return seen if not sample.pixels.size else replace(seen, pixels=sample.pixels[rows])

    def _looked(self, role: str, item: Images, rows: npt.NDArray[np.int64]) -> Seen:
        ascending = np.sort(rows)
        images: ImageSet = item.images if len(rows) == len(item) else item.images.take(ascending)
        digest, order = images.sha256(), np.searchsorted(ascending, rows)
        seen = self._observed(role, item.name, images, digest)
        progress = partial(self.observe, _step(role))
        progress(len(rows), len(rows), "done")
        probabilities = seen["probabilities"]
        return Seen(
            name=item.name,
            kind="images",
            sha256=digest,
            split=item.split,
            count=len(rows),
            features=_ordered(seen["features"], order),
            classes=_ordered(probabilities, order).argmax(1) if probabilities.shape[1] else None,
            imagenet=_ordered(seen["imagenet"], order) if "imagenet" in seen else None,
            pixels=_ordered(pixel_features(images.images_u8), order) if self.with_pixels else _NOTHING,
            shape=images.shape,
            shown=lambda rows: np.asarray(images.images_u8[order[rows]]),
        )

    def _observed(self, role: str, name: str, images: ImageSet, digest: str) -> Arrays:
        """features (n, d), probabilities (n, classes), and imagenet where A's are asked for."""
        extractor = self.extractor
        if extractor is None:
            return {"features": np.empty((len(images), 0), np.float32), "probabilities": _NOTHING}
        if role == "heldout" or (role == "train" and extractor.card.kind in CENTRED):
            return {"features": np.empty((0, extractor.dim), np.float32), "probabilities": _NOTHING}
        keep = role == "a" and extractor.card.kind == "inception"  # as large as the features again

        def observe() -> Arrays:
            observed = extractor.observe(images.images_u8, progress=partial(self.observe, _step(role)))
            checked_features(observed.features, name)
            found = {"features": observed.features, "probabilities": observed.probabilities}
            return found | ({"imagenet": observed.imagenet} if keep and observed.imagenet is not None else {})

        return self.cache.recall(_key(extractor, digest, keep), observe)

    def _made(self, role: str, model: Model) -> Seen:
        """Images are streamed to the extractor, and none is kept."""
        extractor, count = self.extractor, self.num_images or NUM_IMAGES
        # other latents than A's, or a model against itself would make the same images twice
        seed = self.seed if role == "a" else self.seed + 1
        features = np.empty((count, extractor.dim if extractor else 0), np.float32)
        classes = np.empty(count, np.int64)
        imagenet, pixels, done = [], [], 0
        for batch in _batches(model, count, seed):
            part = slice(done, done + len(batch))
            if extractor is not None:
                observed = extractor.observe(batch)
                features[part], classes[part] = observed.features, observed.classes
                imagenet += [observed.imagenet] if observed.imagenet is not None else []
            pixels += [pixel_features(batch)] if self.with_pixels else []
            done = part.stop
            self.observe(_step(role), done, count, "generating and looking")
        self.observe(_step(role), count, count, "done")
        return Seen(
            name=model.name,
            kind="model",
            sha256=model.snapshot.sha256,
            split=None,
            count=count,
            features=checked_features(features, model.name) if extractor else features,
            classes=classes if extractor and extractor.card.classes else None,
            imagenet=np.concatenate(imagenet) if imagenet else None,
            pixels=np.concatenate(pixels) if pixels else _NOTHING,
            shape=model.shape,
            shown=partial(_made_again, model.snapshot.generator, seed),
        )


def _batches(model: Model, count: int, seed: int) -> Iterator[Tensor]:
    """Raises SnapshotError, which names the model, for images that are not finite."""
    try:
        yield from generate(model.snapshot.generator, count, seed, BATCH_SIZE)
    except SnapshotError as error:
        raise SnapshotError(f"{model.name} cannot be scored. {error}") from None


def _made_again(generator: Generator, seed: int, rows: Rows) -> U8:
    """Image i of a seed can be made without those before it."""
    with evaluating(generator):
        return np.concatenate([images_from(generator, seed, int(row), 1).cpu().numpy() for row in rows])


def _digest(features: npt.NDArray[Any]) -> str:
    """Of their content, whatever they lay in."""
    return digest_json({"shape": list(features.shape), "features": sha256_bytes(features.tobytes())})


def _ordered(rows: npt.NDArray[Any], order: Rows) -> npt.NDArray[Any]:
    return rows[order] if len(rows) else rows


def _step(role: str) -> str:
    return f"look at {role.upper() if len(role) == 1 else role}"


def _key(extractor: Extractor, images_sha256: str, with_imagenet: bool) -> dict[str, Any]:
    """All that the features of images depend on."""
    return {
        "what": "features",
        "extractor": extractor.sha256,
        "images": images_sha256,
        "imagenet": with_imagenet,
        "code": modules_digest("ganops.evaluation.extractors"),
        "torch": torch.__version__,
    }
