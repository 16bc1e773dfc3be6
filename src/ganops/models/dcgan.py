"""DCGAN (Radford, Metz and Chintala 2016, arXiv:1511.06434, section 3).

Transposed convolutions, batch norm and ReLU up to a tanh; strided convolutions, batch norm and
LeakyReLU 0.2 down to one logit; no batch norm at the generator's output and the discriminator's
input; weights from N(0, 0.02²). The paper's 64×64 network starts at 4×4; here the coarsest map has
sides of 4 to 7, and kernels of 3 or 4 (`levels`) reach every size exactly.
"""

from __future__ import annotations

from torch import nn

from ganops.models.family import Family
from ganops.models.initialisation import small_normal
from ganops.models.levels import COARSEST, channels, resamplings
from ganops.models.reshaping import ToMaps, ToVectors
from ganops.models.spec import ModelSpec


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from z (N, input_dim) to images (N, C, H, W) in -1…1."""
    image_channels, height, width = spec.image_shape
    coarsest = _coarsest(height, width)
    steps = resamplings(height, width, coarsest)
    maps = channels(spec.width, len(steps))
    h, w = steps[0].coarse
    layers: list[nn.Module] = [
        nn.Linear(spec.input_dim, maps[0] * h * w, bias=False),
        ToMaps(maps[0], h, w),
        nn.BatchNorm2d(maps[0]),
        nn.ReLU(),
    ]
    for step, inputs, outputs in zip(steps[:-1], maps[:-1], maps[1:], strict=True):
        layers += [
            nn.ConvTranspose2d(inputs, outputs, step.kernel, step.stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    layers += [
        nn.ConvTranspose2d(maps[-1], image_channels, steps[-1].kernel, steps[-1].stride, padding=1),
        nn.Tanh(),
    ]
    return small_normal(layers)


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits)."""
    image_channels, height, width = spec.image_shape
    coarsest = _coarsest(height, width)
    steps = resamplings(height, width, coarsest)[::-1]
    maps = channels(spec.width, len(steps))[::-1]
    h, w = steps[-1].coarse
    layers: list[nn.Module] = [
        nn.Conv2d(image_channels, maps[0], steps[0].kernel, steps[0].stride, padding=1),
        nn.LeakyReLU(0.2),
    ]
    for step, inputs, outputs in zip(steps[1:], maps[:-1], maps[1:], strict=True):
        layers += [
            nn.Conv2d(inputs, outputs, step.kernel, step.stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.2),
        ]
    layers += [ToVectors(), nn.Linear(maps[-1] * h * w, spec.num_logits)]
    return small_normal(layers)


def _coarsest(height: int, width: int) -> int:
    """Small images go down to sides of 2 or 3: with one halving alone the discriminator would be one convolution."""
    return COARSEST if max(height, width) > 2 * COARSEST else COARSEST // 2


FAMILY = Family(
    generator,
    discriminator,
    title="transposed convolutions, batch norm",
    source="Radford et al. 2016, arXiv:1511.06434",
    trained="non-saturating (BCE), Adam(2e-4, β1 0.5)",
    good_for="A first result soon: of all that convolve, the least work for an image.",
    default_width=64,
    default_z_dim=100,
    batch_norm=True,
    generator_batch_norm=True,
)
