"""Two values that torch-fidelity publishes of CIFAR-10 with the FID Inception network, by the recipe of its own tests.

They need what cannot be had here: GANOPS_INCEPTION_WEIGHTS, a published weight file, and GANOPS_CIFAR10, the folder of
CIFAR-10's binary version (lossless). Half an hour on two cores.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ganops.evaluation import extractors
from ganops.evaluation.frechet import frechet_distance_of
from ganops.evaluation.kernel import KernelReference, kid, kid_subsets

WEIGHTS, CIFAR10 = os.environ.get("GANOPS_INCEPTION_WEIGHTS"), os.environ.get("GANOPS_CIFAR10")
COUNT, SEED, NOISE = 5_000, 2020, 64

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not WEIGHTS, reason="GANOPS_INCEPTION_WEIGHTS names no published Inception weight file"),
    pytest.mark.skipif(not CIFAR10, reason="GANOPS_CIFAR10 names no folder of CIFAR-10's binary version"),
]


def split(*names: str) -> np.ndarray:
    """uint8 (N, 3, 32, 32)."""
    content = b"".join((Path(str(CIFAR10)) / name).read_bytes() for name in names)
    return np.frombuffer(content, np.uint8).reshape(-1, 3073)[:, 1:].reshape(-1, 3, 32, 32)


def drawn(images_u8: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """5,000 of them in ascending order; noise is drawn picture by picture, in the order of the draw, and wraps."""
    random = np.random.RandomState(SEED)
    rows = random.choice(len(images_u8), COUNT, replace=False)
    chosen = {}
    for row in rows:
        image = images_u8[row].transpose(1, 2, 0)
        if noise:
            image = (image + random.randn(*image.shape) * noise).astype(np.int64).astype(np.uint8)
        chosen[row] = image.transpose(2, 0, 1)
    return np.stack([chosen[row] for row in sorted(chosen)])


@pytest.fixture(scope="module")
def train_features() -> np.ndarray:
    return features(drawn(split(*(f"data_batch_{number}.bin" for number in range(1, 6)))))


def features(images_u8: np.ndarray) -> np.ndarray:
    extractor = extractors.inception(Path(str(WEIGHTS)))  # type: ignore[attr-defined]
    assert extractor.score_name == "fid"
    return np.asarray(extractor.observe(images_u8).features)


def test_fid_of_5000_training_against_5000_test_images(train_features: np.ndarray) -> None:
    found = frechet_distance_of(train_features, features(drawn(split("test_batch.bin"))))
    assert found == pytest.approx(10.3233274, abs=1e-4)


def test_kid_of_5000_noisy_test_against_5000_training_images(train_features: np.ndarray) -> None:
    noisy = features(drawn(split("test_batch.bin"), NOISE))
    found = kid_subsets(kid(noisy, KernelReference.of(train_features)), noisy, train_features)
    assert found.value == pytest.approx(0.4718520, abs=1e-5)
