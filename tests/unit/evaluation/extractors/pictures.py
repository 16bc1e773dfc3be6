"""Small pictures of two kinds, and what extractors of them are made with."""

from __future__ import annotations

import numpy as np

from ganops.config import ReferenceConfig

CONFIG = ReferenceConfig(features=16, batch_size=32, epochs=1)


def stripes(count: int, shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy horizontal (0) and vertical (1) stripes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    channels, height, width = shape
    rows = np.broadcast_to((np.arange(height)[:, None] // 2 % 2) * 160, (height, width))
    columns = np.broadcast_to((np.arange(width) // 2 % 2) * 160, (height, width))
    images = np.where(labels[:, None, None] == 0, rows, columns)[:, None].repeat(channels, axis=1)
    return (images + random.integers(0, 90, images.shape)).astype(np.uint8), labels
