"""The network families by name. Each is written out in the file of its name."""

from __future__ import annotations

from ganops.models import bn_conv_gan, conv_flat, dcgan, dense_dcgan, lite, mlp_gan, r3gan, rgan, sngan
from ganops.models.family import Family
from ganops.models.spec import ModelSpec

FAMILIES: dict[str, Family] = {
    "conv_flat": conv_flat.FAMILY,
    "dense_dcgan": dense_dcgan.FAMILY,
    "bn_conv_gan": bn_conv_gan.FAMILY,
    "rgan": rgan.FAMILY,
    "mlp_gan": mlp_gan.FAMILY,
    "dcgan": dcgan.FAMILY,
    "sngan": sngan.FAMILY,
    "lite": lite.FAMILY,
    "r3gan": r3gan.FAMILY,
}


def default_spec(name: str, image_shape: tuple[int, int, int]) -> ModelSpec:
    """The family `name` at its default width and length of z."""
    family = FAMILIES[name]
    _, height, width = image_shape
    return ModelSpec(name, image_shape, family.default_z_dim or height * width, family.default_width)
