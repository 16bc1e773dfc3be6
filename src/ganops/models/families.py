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


def family_spec(
    name: str,
    image_shape: tuple[int, int, int],
    width: int | None = None,
    z_dim: int | None = None,
    class_shares: tuple[float, ...] = (),
    spectral_norm: bool = False,
) -> ModelSpec:
    """The family `name` at images (C, H, W); width and z_dim are its defaults where they are None.

    Where the noise is an image, z_dim is H·W, whatever was asked for.
    """
    family = FAMILIES[name]
    _, height, across = image_shape
    length = height * across if family.default_z_dim is None else z_dim or family.default_z_dim
    return ModelSpec(name, image_shape, length, width or family.default_width, class_shares, spectral_norm)
