"""Features fitted on nothing: the pixels themselves, made small.

A network that was trained on the training images sees them more sharply than others, so that whether a generator
copies them cannot be asked in its features. Small pictures compare what a person sees at a glance, and forgive noise.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

LONGEST_SIDE = 16
_BATCH = 1024


def pixel_features(images_u8: npt.NDArray[np.uint8] | Tensor) -> npt.NDArray[np.float32]:
    """images_u8 (N, C, H, W) to float32 (N, p) in 0…1: averaged over equal areas to at most 16 pixels a side."""
    parts = [_small(images_u8[start : start + _BATCH]) for start in range(0, len(images_u8), _BATCH)]
    return np.concatenate(parts) if parts else _small(images_u8)


def _small(images_u8: npt.NDArray[np.uint8] | Tensor) -> npt.NDArray[np.float32]:
    images = images_u8 if isinstance(images_u8, Tensor) else torch.from_numpy(np.array(images_u8))
    height, width = images.shape[2:]
    factor = math.ceil(max(height, width) / LONGEST_SIDE)
    small = F.adaptive_avg_pool2d(images.float(), (math.ceil(height / factor), math.ceil(width / factor)))
    return small.div_(255).flatten(1).cpu().numpy()
