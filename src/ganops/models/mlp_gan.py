"""MLP: dense layers alone (as in Goodfellow et al. 2014, arXiv:1406.2661), the baseline for all that convolves."""

from __future__ import annotations

import math

from torch import nn

from ganops.models.blocks import UnitSigmoid
from ganops.models.family import Family
from ganops.models.initialisation import glorot
from ganops.models.spec import ModelSpec

SLOPE = 0.2


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from z (N, input_dim) to images (N, C, H, W) in -1…1."""
    return glorot(
        [
            nn.Linear(spec.input_dim, spec.width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(spec.width, spec.width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(spec.width, math.prod(spec.image_shape)),
            nn.Unflatten(1, spec.image_shape),
            UnitSigmoid(),
        ]
    )


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits)."""
    return glorot(
        [
            nn.Flatten(),
            nn.Linear(math.prod(spec.image_shape), spec.width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(spec.width, spec.width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(spec.width, spec.num_logits),
        ]
    )


FAMILY = Family(
    generator,
    discriminator,
    title="dense layers only, the baseline",
    source="Goodfellow et al. 2014, arXiv:1406.2661",
    trained="non-saturating, mixed batches possible",
    good_for="A baseline in seconds: what cannot beat it is broken. Never promoted.",
    default_width=128,
    default_z_dim=100,
    promotable=False,
)
