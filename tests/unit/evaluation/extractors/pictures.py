"""Small pictures: of two kinds, with labels, and textures without; and what extractors of them are made with."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

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


def textures(count: int, seed: int) -> np.ndarray:
    """Isotropic noise of two scales, which looks alike at any angle: (count, 1, 16, 16)."""
    random = np.random.default_rng(seed)
    field = torch.from_numpy(random.normal(size=(count, 1, 20, 20)).astype(np.float32))
    coarse = F.avg_pool2d(field, 5, stride=1) * 4
    fine = F.avg_pool2d(field, 3, stride=1)[..., 1:17, 1:17] * 2.4
    chosen = torch.from_numpy(random.random((count, 1, 1, 1)) < 0.5)
    return (128 + 60 * torch.where(chosen, coarse, fine)).clamp(0, 255).to(torch.uint8).numpy()
