"""Convolutions with batch norm on every hidden layer, and a discriminator that mirrors the generator.

The generator goes from the coarsest map up by transposed convolutions, and a last 3×3 convolution makes the
image; the discriminator has the same layers backwards. Unlike DCGAN, no layer but those to the image and to the
logit goes without batch norm, the discriminator's first included. Its source trains it by plain SGD, which
batch norm makes possible: it keeps the layers' scales apart.
"""

from __future__ import annotations

from torch import nn

from ganops.models.family import Family
from ganops.models.initialisation import small_normal
from ganops.models.levels import channels, levels, steps_between
from ganops.models.reshaping import ToMaps, ToVectors
from ganops.models.spec import ModelSpec


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from z (N, input_dim) to images (N, C, H, W) in -1…1."""
    image_channels, height, width = spec.image_shape
    sizes = levels(height, width)
    maps = channels(spec.width, len(sizes))
    h, w = sizes[0]
    layers: list[nn.Module] = [
        nn.Linear(spec.input_dim, maps[0] * h * w, bias=False),
        ToMaps(maps[0], h, w),
        nn.BatchNorm2d(maps[0]),
        nn.ReLU(),
    ]
    for step, inputs, outputs in zip(steps_between(sizes), maps[:-1], maps[1:], strict=True):
        layers += [
            nn.ConvTranspose2d(inputs, outputs, step.kernel, step.stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return small_normal([*layers, nn.Conv2d(maps[-1], image_channels, 3, padding=1), nn.Tanh()])


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits)."""
    image_channels, height, width = spec.image_shape
    sizes = levels(height, width)
    maps = channels(spec.width, len(sizes))[::-1]
    h, w = sizes[0]
    layers: list[nn.Module] = [
        nn.Conv2d(image_channels, maps[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(maps[0]),
        nn.LeakyReLU(0.2),
    ]
    for step, inputs, outputs in zip(steps_between(sizes)[::-1], maps[:-1], maps[1:], strict=True):
        layers += [
            nn.Conv2d(inputs, outputs, step.kernel, step.stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.2),
        ]
    return small_normal([*layers, ToVectors(), nn.Linear(maps[-1] * h * w, spec.num_logits)])


FAMILY = Family(
    generator,
    discriminator,
    title="batch norm throughout, mirrored",
    source="classic, after Ioffe and Szegedy 2015, arXiv:1502.03167",
    trained="non-saturating (BCE), SGD 2e-4, momentum 0.9, phases alternating",
    good_for="Training by plain SGD, which needs batch norm on every layer.",
    default_width=64,
    default_z_dim=100,
    batch_norm=True,
    generator_batch_norm=True,
)
