"""Features to measure, without any images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ganops.evaluation.protocol import Protocol
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sample import Sample

EXTRACTOR, HASH = "e" * 64, "r" * 64
NUM_CLASSES = 4


@pytest.fixture
def reference() -> ReferenceSample:
    random = np.random.default_rng(100)
    return ReferenceSample(
        split="test",
        features=random.normal(size=(300, 8)).astype(np.float32),
        classes=random.integers(0, NUM_CLASSES, 300),
        ids=random.integers(0, 256, (300, 32), dtype=np.uint8),
        train_features=random.normal(size=(500, 8)).astype(np.float32),
        num_classes=NUM_CLASSES,
        hash=HASH,
        extractor="classifier",
        extractor_sha256=EXTRACTOR,
        preprocessing="p@1",
        metric_version=2,
        pixels=random.random((300, 9), np.float32),
        train_pixels=random.random((500, 9), np.float32),
        extractor_accuracy=0.9,
    )


@pytest.fixture
def make_sample(reference: ReferenceSample) -> Callable[..., Sample]:
    def make(seed: int, shift: float = 0.3, scale: float = 1.0, count: int = 600) -> Sample:
        random = np.random.default_rng(seed)
        features = (random.normal(size=(count, 8)) * scale + shift).astype(np.float32)
        protocol = Protocol(
            score="fd_classifier@eeeeeeee",
            extractor="classifier",
            extractor_sha256=EXTRACTOR,
            preprocessing="p@1",
            split="test",
            reference_hash=HASH,
            num_images=count,
            num_reference=len(reference.features),
            seed=7,
            metric_version=2,
            extractor_accuracy=0.9,
        )
        classes = random.integers(0, NUM_CLASSES, count)
        pixels = random.random((count, 9), np.float32)
        return Sample(f"{seed:064x}", features, classes, protocol, np.empty(0, np.uint64), pixels)

    return make
