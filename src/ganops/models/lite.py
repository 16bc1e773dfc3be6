"""Lite: a small network without normalisation, for training on one or two CPU cores.

Up by nearest-neighbour resizing and 3×3 convolutions (Odena et al. 2016, "Deconvolution and
checkerboard artifacts"), down by strided convolutions, LeakyReLU 0.2 throughout, He initialisation
(He et al. 2015). Without batch norm a per-image gradient penalty is defined, so that it trains
with the relativistic objective and R1 + R2 as R3GAN does (Huang et al. 2024).

Images end in a tanh that leaks. With a plain one, two of six seeds on Fashion-MNIST, which is mostly black, went all
black or all white in the first 10,000 images, where tanh has no gradient left to bring them back; with none, as R3GAN
does it, they all lived, but were at twice the Fréchet distance after 200,000. A leak of 1/20 cost some of that, too.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from ganops.models.family import Family
from ganops.models.levels import channels, levels, resamplings
from ganops.models.reshaping import ToMaps, ToVectors
from ganops.models.spec import ModelSpec

SLOPE = 0.2
LEAK = 0.01


@final
class LeakyTanh(nn.Module):
    """tanh(x) + x/100: about -1…1, and with a slope everywhere."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x) + LEAK * x


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from z (N, input_dim) to images (N, C, H, W) in about -1…1."""
    image_channels, height, width = spec.image_shape
    sizes = levels(height, width)
    maps = channels(spec.width, len(sizes))
    h, w = sizes[0]
    layers: list[nn.Module] = [
        nn.Linear(spec.input_dim, maps[0] * h * w),
        ToMaps(maps[0], h, w),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(maps[0], maps[0], 3, padding=1),
        nn.LeakyReLU(SLOPE),
    ]
    for size, inputs, outputs in zip(sizes[1:], maps[:-1], maps[1:], strict=True):
        layers += [
            nn.Upsample(size=size, mode="nearest"),
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.LeakyReLU(SLOPE),
        ]
    layers += [nn.Conv2d(maps[-1], image_channels, 3, padding=1), LeakyTanh()]
    return _initialised(layers)


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits)."""
    image_channels, height, width = spec.image_shape
    steps = resamplings(height, width)[::-1]
    maps = channels(spec.width, len(steps) + 1)[::-1]
    h, w = levels(height, width)[0]
    layers: list[nn.Module] = [
        nn.Conv2d(image_channels, maps[0], 3, padding=1),
        nn.LeakyReLU(SLOPE),
    ]
    for step, inputs, outputs in zip(steps, maps[:-1], maps[1:], strict=True):
        layers += [
            nn.Conv2d(inputs, outputs, step.kernel, step.stride, padding=1),
            nn.LeakyReLU(SLOPE),
        ]
    layers += [
        nn.Conv2d(maps[-1], maps[-1], 3, padding=1),
        nn.LeakyReLU(SLOPE),
        ToVectors(),
        nn.Linear(maps[-1] * h * w, spec.num_logits),
    ]
    return _initialised(layers)


def _initialised(layers: list[nn.Module]) -> list[nn.Module]:
    weighted = [layer for layer in layers if isinstance(layer, nn.Linear | nn.Conv2d)]
    for layer in weighted:
        nn.init.kaiming_normal_(layer.weight, a=SLOPE)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    nn.init.xavier_normal_(weighted[-1].weight)  # no LeakyReLU follows the last layer
    return layers


FAMILY = Family(
    generator,
    discriminator,
    title="resize-convolutions, no normalisation",
    source="this project, after Odena et al. 2016 and Huang et al. 2024",
    trained="relativistic + R1 + R2, Adam(β1 0, β2 0.99)",
    good_for="Small data on one or two CPU cores: the gradient penalties of r3gan at a price that a CPU can pay.",
    default_width=32,
    default_z_dim=64,
)
