"""Flat convolutions: noise of the image's size goes in, and no layer changes its height or width.

Three 3×3 convolutions of 64 channels with ReLU, then one to the image. What a pixel becomes depends on the
noise in the 9×9 pixels around it and on nothing else, so that the network makes textures and no shapes. The
discriminator judges each pixel by the 9×9 pixels around it: a patch discriminator (Isola et al. 2017,
arXiv:1611.07004, section 3.2.2).
"""

from __future__ import annotations

from torch import nn

from ganops.models.blocks import UnitSigmoid
from ganops.models.family import Family
from ganops.models.initialisation import glorot
from ganops.models.spec import ModelSpec

HIDDEN_LAYERS = 3


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from noise (N, H·W), or (N, 2·H·W) with the class's own image, to images (N, C, H, W) in -1…1."""
    image_channels, height, width = spec.image_shape
    assert spec.z_dim == height * width, "the noise is an image of the output's size"
    noise_channels = spec.input_dim // spec.z_dim
    return glorot(
        [
            nn.Unflatten(1, (noise_channels, height, width)),
            *_convolutions(noise_channels, spec.width, image_channels),
            UnitSigmoid(),
        ]
    )


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits, H, W), one for each pixel's surroundings."""
    return glorot(_convolutions(spec.image_shape[0], spec.width, spec.num_logits))


def _convolutions(inputs: int, hidden: int, outputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number in range(HIDDEN_LAYERS):
        layers += [nn.Conv2d(hidden if number else inputs, hidden, 3, padding=1), nn.ReLU()]
    return [*layers, nn.Conv2d(hidden, outputs, 3, padding=1)]


FAMILY = Family(
    generator,
    discriminator,
    title="flat convolutions, no resampling",
    source="classic",
    trained="minimax, alternating",
    good_for="Seeing what resampling is for: it makes textures, never shapes.",
    default_width=64,
    default_z_dim=None,
)
