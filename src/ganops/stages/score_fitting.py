"""Extractors that are fitted now, to images that a score was given, and kept for the next time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch

from ganops.config import ReferenceConfig
from ganops.data.image_set import ImageSet
from ganops.errors import DataRefused, UserError
from ganops.evaluation.extractors import Card, Extractor, load_extractor, save_extractor, train_classifier
from ganops.evaluation.extractors.training import project
from ganops.files import digest_json, write_bytes
from ganops.progress import Progress
from ganops.provenance.code import modules_digest
from ganops.stages.reference import IMAGES_PER_DIMENSION, MIN_DIMENSIONS
from ganops.stages.score_cache import Arrays, Cache

FITTED = ("classifier",)
"""Kinds of extractors that are fitted now."""
SETTINGS = ReferenceConfig()
"""Of all of them: the defaults of `params.yaml`."""
_HELD_OUT_SHARE = 10


@final
@dataclass(frozen=True, eq=False)
class Fitting:
    """Images that an extractor may be fitted to. role: `train` or `b`; name: as the user wrote it. num_reference: how
    many images of B its features have to carry a covariance of."""

    role: str
    name: str
    images: ImageSet
    num_reference: int

    @property
    def dimensions(self) -> int:
        """Of its features: with fewer than ten images for each, their covariance would be noise."""
        count = min(len(self.images), self.num_reference)
        return max(MIN_DIMENSIONS, min(SETTINGS.features, count // IMAGES_PER_DIMENSION))


def fitted_extractor(kind: str, fitting: Fitting, cache: Cache, progress: Progress) -> Extractor:
    """The one that was fitted to the very same images before, or else one that is fitted now.

    Raises:
        UserError: the images have no labels to fit it to.
        DataRefused: they are too few.
    """
    images = fitting.images
    if not images.labelled:
        raise UserError(
            f"The extractor 'classifier' learns from labels, and {fitting.name} has not a label of one of two or more "
            "classes for each image. Give labels (a subfolder for each class, a labels file, a label column in "
            "parquet), or name another extractor with --extractor DIR."
        )
    key = {
        "what": "extractor",
        "kind": kind,
        "images": images.sha256(),
        "labels": digest_json(images.labels.tolist()),
        "classes": list(images.classes),
        "settings": SETTINGS.model_dump(mode="json"),
        "dimensions": fitting.dimensions,
        "code": modules_digest("ganops.evaluation.extractors"),
        "torch": torch.__version__,
    }

    def fit(directory: Path) -> None:
        _fit_classifier(directory, images, fitting.dimensions, progress)

    return _unpacked(cache.recall(key, lambda: _packed(fit)))


def _fit_classifier(directory: Path, images: ImageSet, dimensions: int, progress: Progress) -> None:
    if len(images) < 2 * MIN_DIMENSIONS:
        raise DataRefused(
            f"{len(images)} images are too few to fit a classifier to; at least {2 * MIN_DIMENSIONS} are needed. Name "
            "a pinned extractor with --extractor DIR."
        )
    order = np.random.Generator(np.random.Philox(key=[SETTINGS.seed, 2])).permutation(len(images))
    held_out, learnt = np.sort(order[::_HELD_OUT_SHARE]), np.sort(np.setdiff1d(order, order[::_HELD_OUT_SHARE]))
    pixels = np.ascontiguousarray(images.images_u8)
    network = train_classifier(pixels[learnt], images.labels[learnt], len(images.classes), SETTINGS, progress)
    card = Card(
        kind="classifier",
        image_shape=images.shape,
        width=SETTINGS.features,
        dim=dimensions,
        classes=images.classes,
        accuracy=0.0,
        preprocessing=preprocessing(images.shape),
        seed=SETTINGS.seed,
    )
    projected = project(network, pixels[learnt], dimensions)
    right = Extractor(projected, card, "").observe(pixels[held_out]).classes == images.labels[held_out]
    save_extractor(directory, projected, Card(**{**vars(card), "accuracy": float(right.mean())}))


def preprocessing(image_shape: tuple[int, int, int]) -> str:
    """Names the pixels' way where there is none: they are taken as they are."""
    channels, height, width = image_shape
    return f"as-is-{'rgb' if channels == 3 else 'grey'}-{height}x{width}@1"


def _packed(fit: Callable[[Path], None]) -> Arrays:
    """The files of an extractor's directory, as arrays of bytes."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "extractor"
        fit(directory)
        return {path.name: np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(directory.iterdir())}


def _unpacked(files: Arrays) -> Extractor:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            write_bytes(Path(folder) / name, content.tobytes())
        return load_extractor(Path(folder))
