"""R3GAN: a modern residual network without normalisation (Huang et al. 2024, arXiv:2501.05441, section 4).

Residual blocks of 1×1, grouped 3×3 and 1×1 convolutions with LeakyReLU, twice as wide inside as outside; fix-up
initialisation in place of normalisation (Zhang et al. 2019, arXiv:1901.09321); resampling behind a [1, 2, 1]
low-pass filter; no tanh. The generator starts from learned maps that z scales channel by channel; the
discriminator, its mirror image, ends in one learned weighted mean for each channel and a dense layer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TypeVar, final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from ganops.models.blocks import Residual
from ganops.models.family import Family
from ganops.models.levels import Resampling, Size, channels, levels, steps_between
from ganops.models.spec import ModelSpec

SLOPE = 0.2
BLOCKS = 2
"""Residual blocks at each size."""
EXPANSION = 2
GROUP = 16
"""Channels of a group in the 3×3 convolutions (fewer where 16 does not divide their number)."""
_BRANCH_LAYERS = 3
_TAPS, _IDENTITY = (0.25, 0.5, 0.25), (0.0, 1.0, 0.0)

_Layer = TypeVar("_Layer", nn.Conv2d, nn.Linear)


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from z (N, input_dim) to images (N, C, H, W), not limited to -1…1."""
    image_channels, height, width = spec.image_shape
    sizes = levels(height, width)
    maps = channels(spec.width, len(sizes))
    count = BLOCKS * len(sizes)
    layers: list[nn.Module] = [Basis(spec.input_dim, maps[0], sizes[0]), *_blocks(maps[0], count)]
    for step, inputs, outputs in zip(steps_between(sizes), maps[:-1], maps[1:], strict=True):
        layers += [_pointwise(inputs, outputs), LowPassUp(outputs, step), *_blocks(outputs, count)]
    return [*layers, _pointwise(maps[-1], image_channels)]


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits)."""
    image_channels, height, width = spec.image_shape
    sizes = levels(height, width)
    maps = channels(spec.width, len(sizes))[::-1]
    count = BLOCKS * len(sizes)
    # spectral norm sets every layer's scale, so that fix-up's means nothing to it, and a zero has none
    fix_up = not spec.spectral_norm
    layers: list[nn.Module] = [_pointwise(image_channels, maps[0]), *_blocks(maps[0], count, fix_up)]
    for step, inputs, outputs in zip(steps_between(sizes)[::-1], maps[:-1], maps[1:], strict=True):
        layers += [LowPassDown(inputs, step), _pointwise(inputs, outputs), *_blocks(outputs, count, fix_up)]
    pooling = nn.Conv2d(maps[-1], maps[-1], sizes[0], groups=maps[-1], bias=False)
    return [*layers, _scaled(pooling), nn.Flatten(), _scaled(nn.Linear(maps[-1], spec.num_logits))]


@final
class Basis(nn.Module):
    """z (N, z_dim) -> (N, C, h, w): learned maps, each scaled by a linear function of z."""

    def __init__(self, z_dim: int, channels: int, size: Size) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(channels, *size))
        self.scale = _scaled(nn.Linear(z_dim, channels, bias=False))

    def forward(self, z: Tensor) -> Tensor:
        scaled: Tensor = self.maps * self.scale(z)[:, :, None, None]
        return scaled


class _LowPass(nn.Module, ABC):
    """The [1, 2, 1] filter of each axis that is resampled, and what it makes of a constant, to divide by: without
    that, borders would darken at every level."""

    kernel: Tensor
    gain: Tensor

    def __init__(self, channels: int, step: Resampling) -> None:
        super().__init__()
        self.step = step
        self.channels = channels
        rows, columns = (_TAPS if stride == 2 else _IDENTITY for stride in step.stride)
        kernel = torch.outer(torch.tensor(rows), torch.tensor(columns))
        self.register_buffer("kernel", kernel.expand(channels, 1, 3, 3).clone(), persistent=False)
        ones = torch.ones(1, channels, *self._input_size())
        self.register_buffer("gain", 1.0 / self._filtered(ones)[:, :1], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        filtered = self._filtered(x)
        return filtered * self.gain.to(filtered.dtype)

    @abstractmethod
    def _input_size(self) -> Size: ...

    @abstractmethod
    def _filtered(self, x: Tensor) -> Tensor: ...


@final
class LowPassDown(_LowPass):
    """Filter, then every second pixel: (N, C, *fine) -> (N, C, *coarse)."""

    def _input_size(self) -> Size:
        return self.step.fine

    def _filtered(self, x: Tensor) -> Tensor:
        return conv2d(x, self.kernel, stride=self.step.stride, padding=1, groups=self.channels)


@final
class LowPassUp(_LowPass):
    """A zero after every pixel, then the filter, which is linear interpolation: (N, C, *coarse) -> (N, C, *fine)."""

    def _input_size(self) -> Size:
        return self.step.coarse

    def _filtered(self, x: Tensor) -> Tensor:
        step = self.step
        return conv_transpose2d(
            x, self.kernel, stride=step.stride, padding=1, output_padding=step.output_padding, groups=self.channels
        )


def _blocks(channels: int, count: int, fix_up: bool = True) -> list[nn.Module]:
    return [_block(channels, count, fix_up) for _ in range(BLOCKS)]


def _block(channels: int, count: int, fix_up: bool) -> Residual:
    """One of `count` residual blocks of m = 3 layers: the last starts at 0, the others are scaled by
    count^(-1/(2m - 2)), so that the whole network changes by Θ(1) in a step of any depth (Zhang et al., section 3)."""
    inside = EXPANSION * channels
    gain = nn.init.calculate_gain("leaky_relu", SLOPE) * count ** (-1.0 / (2 * _BRANCH_LAYERS - 2))
    grouped = nn.Conv2d(inside, inside, 3, padding=1, groups=inside // math.gcd(inside, GROUP))
    return Residual(
        nn.Sequential(
            _scaled(nn.Conv2d(channels, inside, 1), gain),
            nn.LeakyReLU(SLOPE),
            _scaled(grouped, gain),
            nn.LeakyReLU(SLOPE),
            _scaled(nn.Conv2d(inside, channels, 1, bias=False), 0.0 if fix_up else 1.0),
        ),
        nn.Identity(),
    )


def _pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    return _scaled(nn.Conv2d(inputs, outputs, 1, bias=False))


def _scaled(layer: _Layer, gain: float = 1.0) -> _Layer:
    """Weights from N(0, gain²/fan in)   (He et al. 2015, equation 10), biases 0."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


FAMILY = Family(
    generator,
    discriminator,
    title="modern residual, fix-up, no normalisation",
    source="Huang et al. 2024, arXiv:2501.05441",
    trained="relativistic + R1 + R2, Adam(β1 0, β2 0.9 to 0.99), cosine burn-ins",
    good_for="A GPU and hours: the strongest of these networks in its paper, steady without normalisation.",
    default_width=64,
    default_z_dim=64,
)
