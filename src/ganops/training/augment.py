"""DiffAugment (Zhao et al. 2020, arXiv:2006.10738): what real and generated images go through before D sees them.

Every image gets its own random change; a generated image's is differentiable, so that the generator learns
through it. Ranges are those of the paper's section 4: brightness ±0.5, saturation 0 to 2, contrast 0.5 to 1.5,
translation by at most 1/8 of the side with zeros moved in, a square of half the side cut out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ganops.training.draws import uniforms

_TRANSLATION, _CUTOUT = 1 / 8, 1 / 2


@final
@dataclass(frozen=True)
class Augmentation:
    """The changes of N images. kinds: of color, translation, cutout; draws: uniform in 0…1, float32 (N, 7)."""

    kinds: Collection[str]
    draws: Tensor

    def of(self, images: Tensor) -> Tensor:
        """images float32 (N, C, H, W) in -1…1, changed; colours may leave that range."""
        brightness, saturation, contrast, down, right, y, x = self.draws.to(images.device).unbind(1)
        if "color" in self.kinds:
            images = images + _per_image(brightness - 0.5)
            images = _stretched(images, 2.0 * saturation, (1,))
            images = _stretched(images, 0.5 + contrast, (1, 2, 3))
        if "translation" in self.kinds:
            images = _shift(down, images.shape[2]) @ images @ _shift(right, images.shape[3]).mT
        if "cutout" in self.kinds:
            hidden = _stripe(y, images.shape[2])[:, None, :, None] & _stripe(x, images.shape[3])[:, None, None, :]
            images = images.masked_fill(hidden, 0.0)
        return images


def drawn(kinds: Collection[str], seed: int, stream: int, images_seen: int, count: int) -> Augmentation | None:
    """The changes of `count` images after `images_seen`, or None where there are no kinds."""
    return Augmentation(kinds, uniforms(seed, stream, images_seen, count, 7)) if kinds else None


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _stretched(images: Tensor, factors: Tensor, around: tuple[int, ...]) -> Tensor:
    """Distances from the mean over the dimensions `around`, times each image's factor."""
    mean = images.mean(around, keepdim=True)
    return mean + (images - mean) * _per_image(factors)


def _shift(uniform: Tensor, side: int) -> Tensor:
    """Matrices (N, 1, side, side) of zeros and ones that move rows by -most…most places.

    A product with them is exact, and its gradient the same bits each time, which indexing's is not on CUDA.
    """
    most = round(side * _TRANSLATION)
    places = (uniform * (2 * most + 1)).floor() - most
    index = torch.arange(side, device=uniform.device)
    return (index[:, None] - index == places[:, None, None]).float()[:, None]


def _stripe(uniform: Tensor, side: int) -> Tensor:
    """Which of `side` rows lie in a stripe of half the side around a random row: bool (N, side)."""
    width = round(side * _CUTOUT)
    first = (uniform * side).floor() - width // 2
    index = torch.arange(side, device=uniform.device)
    return (index >= first[:, None]) & (index < first[:, None] + width)
