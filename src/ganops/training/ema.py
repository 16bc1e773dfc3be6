"""An exponential moving average of the generator's weights."""

from __future__ import annotations

import copy
from typing import final

import torch
from torch import Tensor

from ganops.models import Generator
from ganops.training.schedules import Number

WARM_UP = 0.05
"""The half-life is at most this share of the images seen, so that the first, bad weights are soon forgotten."""


@final
class Average:
    """`generator_ema` follows a generator with a half-life given in thousands of real images shown."""

    def __init__(self, generator: Generator) -> None:
        self.generator_ema: Generator = copy.deepcopy(generator).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, generator: Generator, share: Number) -> None:
        """Move by `share` of the way to `generator`.

        Batch norm's running statistics are averaged like the weights that they belong to (the statistics of the
        current, faster moving weights fit averaged ones less well: measured on 28×28 images); counters are copied.
        """
        averaged, current = _tensors(self.generator_ema), _tensors(generator)
        if isinstance(share, Tensor):  # which `lerp` would read on the host
            ways = torch._foreach_sub(current, averaged)
            torch._foreach_mul_(ways, share)
            torch._foreach_add_(averaged, ways)
        else:
            torch._foreach_lerp_(averaged, current, share)
        for target, source in zip(self.generator_ema.buffers(), generator.buffers(), strict=True):
            if not target.is_floating_point():
                target.copy_(source)


def share_of(half_life_kimg: float, images_seen: int, step_images: int) -> float:
    """How far the average moves in a step of `step_images` images, after which `images_seen` were shown."""
    half_life = min(half_life_kimg * 1000, images_seen * WARM_UP)
    decay = 0.5 ** (step_images / half_life) if half_life > 0 else 0.0
    return 1.0 - decay


def _tensors(generator: Generator) -> list[Tensor]:
    return [*generator.parameters(), *(buffer for buffer in generator.buffers() if buffer.is_floating_point())]
