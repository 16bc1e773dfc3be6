"""SNGAN: residual networks with a spectrally normalised discriminator (Miyato et al. 2018, arXiv:1802.05957,
appendix B.4).

Generator blocks: batch norm, ReLU, enlarging, 3×3 convolution, twice, beside an enlarged 1×1 shortcut.
Discriminator blocks: ReLU, 3×3 convolution, twice, then averaging, beside a 1×1 shortcut; a block without
averaging at the coarsest size, a sum over all positions, one dense layer. Channels follow the paper's larger
networks: `width` at the finest size, doubling towards the coarsest up to eight times.
"""

from __future__ import annotations

import math
from typing import final

from torch import Tensor, nn

from ganops.models.blocks import Residual
from ganops.models.family import Family
from ganops.models.levels import Resampling, Size, channels, levels, steps_between
from ganops.models.reshaping import ToMaps
from ganops.models.spec import ModelSpec


@final
class SumOverPositions(nn.Module):
    """(N, C, H, W) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=(2, 3))


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from z (N, input_dim) to images (N, C, H, W) in -1…1."""
    image_channels, height, width = spec.image_shape
    sizes = levels(height, width)
    maps = channels(spec.width, len(sizes))
    h, w = sizes[0]
    layers: list[nn.Module] = [
        nn.Linear(spec.input_dim, maps[0] * h * w),
        ToMaps(maps[0], h, w),
    ]
    layers += [_up(*block) for block in zip(maps[:-1], maps[1:], sizes[1:], strict=True)]
    layers += [
        nn.BatchNorm2d(maps[-1]),
        nn.ReLU(),
        nn.Conv2d(maps[-1], image_channels, 3, padding=1),
        nn.Tanh(),
    ]
    return _initialised(layers)


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits)."""
    image_channels, height, width = spec.image_shape
    steps = steps_between(levels(height, width))[::-1]
    maps = channels(spec.width, len(steps) + 1)[::-1]
    layers: list[nn.Module] = [_first_down(image_channels, maps[0], steps[0])]
    layers += [_down(*block) for block in zip(maps[:-2], maps[1:-1], steps[1:], strict=True)]
    layers += [
        _same(maps[-2], maps[-1]),
        nn.ReLU(),
        SumOverPositions(),
        nn.Linear(maps[-1], spec.num_logits),
    ]
    return _initialised(layers)


def _up(inputs: int, outputs: int, size: Size) -> Residual:
    return Residual(
        nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Upsample(size, mode="nearest"),
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        ),
        nn.Sequential(nn.Upsample(size, mode="nearest"), nn.Conv2d(inputs, outputs, 1)),
    )


def _first_down(inputs: int, outputs: int, step: Resampling) -> Residual:
    """No ReLU on the image itself, and the shortcut averages before it convolves, which is the same and cheaper."""
    return Residual(
        nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            _averaging(step),
        ),
        nn.Sequential(_averaging(step), nn.Conv2d(inputs, outputs, 1)),
    )


def _down(inputs: int, outputs: int, step: Resampling) -> Residual:
    same = _same(inputs, outputs)
    return Residual(nn.Sequential(same.branch, _averaging(step)), nn.Sequential(same.shortcut, _averaging(step)))


def _same(inputs: int, outputs: int) -> Residual:
    return Residual(
        nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(inputs, inputs, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
        ),
        nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity(),
    )


def _averaging(step: Resampling) -> nn.AvgPool2d:
    """Over 2×2 pixels; at an odd side's end over the one that is left."""
    return nn.AvgPool2d(step.stride, step.stride, ceil_mode=True)


def _initialised(layers: list[nn.Module]) -> list[nn.Module]:
    """Glorot; twice the variance in the residual branches, where a ReLU halves it."""
    for layer in layers:
        for part in layer.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                in_branch = isinstance(layer, Residual) and part.weight.shape[-1] == 3
                nn.init.xavier_uniform_(part.weight, gain=math.sqrt(2.0) if in_branch else 1.0)
                assert part.bias is not None
                nn.init.zeros_(part.bias)
    return layers


FAMILY = Family(
    generator,
    discriminator,
    title="residual, spectral norm",
    source="Miyato et al. 2018, arXiv:1802.05957",
    trained="hinge, Adam(2e-4, β1 0, β2 0.9), five discriminator steps",
    good_for="Varied colour images: a steady discriminator without the cost of a gradient penalty.",
    default_width=64,
    default_z_dim=128,
    generator_batch_norm=True,
    spectral_norm=True,
)
