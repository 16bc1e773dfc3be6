"""Extractors that are fitted now, to images that a score was given, and kept for the next time."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final, get_args

import numpy as np
import torch

from ganops.config import ReferenceConfig
from ganops.data.image_set import ImageSet
from ganops.errors import DataRefused, UserError
from ganops.evaluation.extractors import Extractor, fit_classifier, fit_pretext, load_extractor, save_extractor
from ganops.files import digest_json, write_bytes
from ganops.progress import Progress
from ganops.provenance.code import modules_digest
from ganops.stages.reference import IMAGES_PER_DIMENSION, MIN_DIMENSIONS
from ganops.stages.score_cache import Arrays, Cache

Fitted = Literal["classifier", "pretext"]
FITTED: tuple[Fitted, ...] = get_args(Fitted)
"""Kinds of extractors that are fitted now."""
LEAST_IMAGES = 2 * MIN_DIMENSIONS
SETTINGS = ReferenceConfig()
"""Of all of them: the defaults of `params.yaml`."""


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


def fitted_extractor(kind: Fitted, fitting: Fitting, cache: Cache, progress: Progress) -> Extractor:
    """The one that was fitted to the very same images before, or else one that is fitted now.

    Raises:
        UserError: a classifier is asked for, and the images have no labels to fit it to.
        DataRefused: they are too few.
    """
    images = fitting.images
    if kind == "classifier" and not images.labelled:
        raise UserError(
            f"The extractor 'classifier' learns from labels, and {fitting.name} has not a label of one of two or more "
            "classes for each image. Give labels (a subfolder for each class, a labels file, a label column in "
            f"parquet), {'' if fitting.role == 'train' else 'name labelled images of the same kind with --train, '}or "
            "choose `--extractor pretext`, which needs none."
        )
    if len(images) < LEAST_IMAGES:
        raise DataRefused(
            f"{fitting.name} has {len(images)} images, too few to fit an extractor to; at least {LEAST_IMAGES} are "
            "needed. Name a pinned one with --extractor DIR."
        )
    key = {
        "what": "extractor",
        "kind": kind,
        "images": images.sha256(),
        "labels": digest_json([images.labels.tolist(), images.classes]) if kind == "classifier" else None,
        "settings": SETTINGS.model_dump(mode="json", include={"seed", "features", "epochs", "batch_size"}),
        "dimensions": fitting.dimensions,
        "code": modules_digest("ganops.evaluation.extractors"),
        "torch": torch.__version__,
    }
    return _unpacked(cache.recall(key, lambda: _packed(_fit(kind, fitting, progress))))


def _fit(kind: Fitted, fitting: Fitting, progress: Progress) -> Extractor:
    images, seed, width, way = fitting.images, SETTINGS.seed, fitting.dimensions, preprocessing(fitting.images.shape)
    if kind == "pretext":
        return fit_pretext(images.images_u8, SETTINGS, seed, progress, dimensions=width, preprocessing=way)
    return fit_classifier(
        images.images_u8, images.labels, images.classes, SETTINGS, seed, progress, dimensions=width, preprocessing=way
    )


def preprocessing(image_shape: tuple[int, int, int]) -> str:
    """Names the pixels' way where there is none: they are taken as they are."""
    channels, height, width = image_shape
    return f"as-is-{'rgb' if channels == 3 else 'grey'}-{height}x{width}@1"


def _packed(extractor: Extractor) -> Arrays:
    """The files of its directory, as arrays of bytes."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "extractor"
        save_extractor(directory, extractor.network, extractor.card)
        return {path.name: np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(directory.iterdir())}


def _unpacked(files: Arrays) -> Extractor:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            write_bytes(Path(folder) / name, content.tobytes())
        return load_extractor(Path(folder))
