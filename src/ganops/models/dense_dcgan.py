"""Dense DCGAN: a deep dense stem, then transposed 5×5 convolutions up from a quarter of the image's sides.

Dense 256, 512, 1024 and a map of 256 channels; transposed convolutions to 128 (stride 1), 64 (stride 2) and the
image (stride 2); each layer but the last goes through ReLU and then batch norm. The order matters: with batch norm
before ReLU, as DCGAN has it, the generator soon made one image from every z (seen on 8×8 digits, with and without
a gradient penalty). The discriminator has two strided 5×5 convolutions with LeakyReLU and dropout. Sides that 4
does not divide are rounded up at each halving, and `output_padding` puts back what rounding added. The last dense
layer has 4·H·W·width² weights, which limits the size.
"""

from __future__ import annotations

from torch import nn

from ganops.models.family import Family
from ganops.models.initialisation import glorot
from ganops.models.levels import halvings, steps_between
from ganops.models.reshaping import ToMaps, ToVectors
from ganops.models.spec import ModelSpec

DROPOUT = 0.3
MOMENTUM = 0.2
"""Of batch norm, in PyTorch's sense: the weight of the new batch. Keras calls it 0.8, the weight of the past."""


def generator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from z (N, input_dim) to images (N, C, H, W) in -1…1."""
    image_channels, height, width = spec.image_shape
    sizes = halvings(height, width, 2)
    to_half, to_whole = steps_between(sizes)
    h, w = sizes[0]
    layers: list[nn.Module] = []
    inputs = spec.input_dim
    for outputs in (4 * spec.width, 8 * spec.width, 16 * spec.width):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.BatchNorm1d(outputs, momentum=MOMENTUM)]
        inputs = outputs
    maps = (4 * spec.width, 2 * spec.width, spec.width)
    layers += [
        nn.Linear(inputs, maps[0] * h * w),
        ToMaps(maps[0], h, w),
        nn.ReLU(),
        nn.BatchNorm2d(maps[0], momentum=MOMENTUM),
        nn.ConvTranspose2d(maps[0], maps[1], 5, 1, padding=2),
        nn.ReLU(),
        nn.BatchNorm2d(maps[1], momentum=MOMENTUM),
        nn.ConvTranspose2d(maps[1], maps[2], 5, to_half.stride, 2, to_half.output_padding),
        nn.ReLU(),
        nn.BatchNorm2d(maps[2], momentum=MOMENTUM),
        nn.ConvTranspose2d(maps[2], image_channels, 5, to_whole.stride, 2, to_whole.output_padding),
        nn.Tanh(),
    ]
    return glorot(layers)


def discriminator(spec: ModelSpec) -> list[nn.Module]:
    """Layers from images (N, C, H, W) in -1…1 to logits (N, num_logits)."""
    image_channels, height, width = spec.image_shape
    h, w = halvings(height, width, 2)[0]
    return glorot(
        [
            nn.Conv2d(image_channels, spec.width, 5, 2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Dropout(DROPOUT),
            nn.Conv2d(spec.width, 2 * spec.width, 5, 2, padding=2),
            nn.LeakyReLU(0.2),
            nn.Dropout(DROPOUT),
            ToVectors(),
            nn.Linear(2 * spec.width * h * w, spec.num_logits),
        ]
    )


FAMILY = Family(
    generator,
    discriminator,
    title="deep dense stem, transposed 5×5",
    source="classic, after Radford et al. 2016, arXiv:1511.06434",
    trained="non-saturating (BCE), Adam(2e-4, β1 0.5)",
    good_for="Small grey images, with batch norm in the generator only, so that gradient penalties are possible.",
    default_width=64,
    default_z_dim=100,
    generator_batch_norm=True,
    largest_pixels=128**2,
)
