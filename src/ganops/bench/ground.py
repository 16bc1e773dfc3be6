"""What contestants train on and are judged by: the workspace's images, or scikit-learn's digits at 28×28."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image

from ganops.data.prepared import load
from ganops.data.sources.base import RawImage
from ganops.data.sources.digits import Digits
from ganops.errors import WorkspaceError
from ganops.evaluation.extractors import Extractor, fit_classifier, load_extractor
from ganops.evaluation.feature_stats import FeatureStats
from ganops.evaluation.frechet import frechet_distance
from ganops.evaluation.sample import generated_stats
from ganops.models import Generator
from ganops.progress import Progress, silent
from ganops.workspace import find

Images = np.ndarray[Any, np.dtype[np.uint8]]

SIDE = 28
SCORED_IMAGES, SCORE_SEED = 2000, 0
_HELD_OUT = 0.25
_DIMENSIONS = 40


@final
@dataclass(frozen=True)
class Ground:
    """name: of the data. images_u8: (N, C, H, W) to train on. score: Fréchet distance to held-out images."""

    name: str
    images_u8: Images
    score: Callable[[Generator], float]


def ground_at(start: Path, progress: Progress = silent, num_images: int = SCORED_IMAGES) -> Ground:
    """The prepared images of the workspace around `start`, else `digits_ground`; scored on num_images samples."""
    try:
        layout = find(start)
    except WorkspaceError:
        return digits_ground(progress, num_images)
    features = layout.reference / "select" / "features.npy"
    if not features.exists():
        return digits_ground(progress, num_images)
    extractor = load_extractor(layout.reference / "extractor")
    held_out = FeatureStats.from_features(np.load(features, allow_pickle=False))
    images_u8 = load(layout.prepared).split("train").images_u8
    return Ground("this workspace's images", images_u8, _scorer(extractor, held_out, num_images))


def digits_ground(progress: Progress = silent, num_images: int = SCORED_IMAGES) -> Ground:
    """Digits, enlarged; the first score trains a classifier on three quarters of them, which progress tells.

    Raises:
        SourceRefused: scikit-learn is not installed.
    """
    raw = [image for image in Digits() if isinstance(image, RawImage)]
    images_u8 = np.stack([_enlarged(image.data) for image in raw])[:, None]
    labels = np.array([int(str(image.label)) for image in raw], np.int64)
    held_out = np.random.default_rng(0).random(len(images_u8)) < _HELD_OUT

    @cache
    def scorer() -> Callable[[Generator], float]:
        names = [str(digit) for digit in range(10)]
        learnt, known = images_u8[~held_out], labels[~held_out]
        extractor = fit_classifier(learnt, known, names, progress=progress, dimensions=_DIMENSIONS)
        stats = FeatureStats.from_features(extractor.features(images_u8[held_out]))
        return _scorer(extractor, stats, num_images)

    return Ground(f"digits at {SIDE}x{SIDE}", images_u8[~held_out], lambda generator: scorer()(generator))


def _enlarged(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.uint8)


def _scorer(extractor: Extractor, held_out: FeatureStats, num_images: int) -> Callable[[Generator], float]:
    return lambda generator: frechet_distance(generated_stats(generator, extractor, num_images, SCORE_SEED), held_out)
