"""RGAN: "deconvolution with skips". Each level keeps what it was given, enlarged, beside what it makes.

From a 4×4 map of 512 channels each level doubles the sides by a transposed 5×5 convolution with LeakyReLU and
concatenates its output with its own input, enlarged by repeating pixels: coarse structure reaches the image
without passing through every layer (the idea of Huang et al. 2017, arXiv:1608.06993, turned upside down). What is
carried along never shrinks, so that above 64×64 the first map halves with each further level: the finest maps
have about 16·width channels at 64×64 and 4·width at 256×256.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganops.models.family import Family
from ganops.models.initialisation import glorot
from ganops.models.levels import Resampling, halvings, levels, steps_between
from ganops.models.reshaping import ToMaps, ToVectors
from ganops.models.spec import ModelSpec

SLOPE = 0.2
FULL_STEPS = 4
"""From 4×4 to 64×64: with up to that many steps the first map has all its channels."""
STRIDED_LAYERS = 3
COARSEST = 8
"""The discriminator has at least so many strided layers, and more until no side is longer than this."""


@final
class SkipLevel(nn.Module):
    """x (N, inputs, h, w) -> (N, outputs + inputs, H, W): a transposed convolution beside x itself, enlarged."""

    def __init__(self, inputs: int, outputs: int, step: Resampling) -> None:
        super().__init__()
        self.size = step.fine
        self.deconvolution = nn.ConvTranspose2d(inputs, outputs, 5, step.stride, 2, step.output_padding)
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        made = self.activation(self.deconvolution(x))
        return torch.cat((made, interpolate(x, self.size, mode="nearest")), dim=1)


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from z (N, input_dim) to images (N, C, H, W) in -1…1."""
    image_channels, height, width = spec.image_shape
    sizes = levels(height, width)
    steps = steps_between(sizes)
    h, w = sizes[0]
    first = max(1, 8 * spec.width >> max(0, len(steps) - FULL_STEPS))
    layers: list[nn.Module] = [
        nn.Linear(spec.input_dim, first * h * w),
        ToMaps(first, h, w),
        nn.LeakyReLU(SLOPE),
    ]
    carried = first
    for number, step in enumerate(steps, start=1):
        made = max(1, first >> number)
        layers.append(SkipLevel(carried, made, step))
        carried += made
    return glorot([*layers, nn.Conv2d(carried, image_channels, 5, padding=2), nn.Tanh()])


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits)."""
    image_channels, height, width = spec.image_shape
    coarse = halvings(height, width, STRIDED_LAYERS)
    sizes = levels(*coarse[0], COARSEST) + coarse[1:]
    layers: list[nn.Module] = []
    inputs = image_channels
    for number, step in enumerate(reversed(steps_between(sizes))):
        outputs = spec.width * min(2**number, 4)
        layers += [nn.Conv2d(inputs, outputs, 5, step.stride, padding=2), nn.LeakyReLU(SLOPE)]
        inputs = outputs
    h, w = sizes[0]
    layers += [
        ToVectors(),
        nn.Linear(inputs * h * w, 16 * spec.width),
        nn.LeakyReLU(SLOPE),
        nn.Linear(16 * spec.width, spec.num_logits),
    ]
    return glorot(layers)


FAMILY = Family(
    generator,
    discriminator,
    title="deconvolution with skips",
    source="classic, after Huang et al. 2017, arXiv:1608.06993",
    trained="non-saturating (BCE), Adam",
    good_for="64×64 colour without normalisation, where memory is no worry: each level is wider than the last.",
    default_width=64,
    default_z_dim=100,
)
