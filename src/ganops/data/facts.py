"""What is measured of each image when it is added, and again when it is validated."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, final

import numpy as np
from PIL import Image

from ganops.data.pixels import decode, to_grey
from ganops.files import sha256_bytes


@final
@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Facts of one encoded image; grey levels are 0-255."""

    sha256: str
    """Of the encoded bytes, hex."""
    width: int
    height: int
    mode: str
    """Pillow's name for the pixel format, such as L or RGB."""
    brightness: float
    """Mean grey level."""
    contrast: float
    """Standard deviation of the grey levels."""
    constant: bool
    """All pixels are the same, in every channel."""

    def as_dict(self) -> dict[str, Any]:
        """By field name (`dataclasses.asdict` copies deeply, which costs more than measuring a small image)."""
        return {name: getattr(self, name) for name in FACT_NAMES}


FACT_NAMES = tuple(field.name for field in fields(ImageFacts))


def measure(data: bytes) -> ImageFacts:
    """Decode the whole image and measure it.

    Raises:
        Undecodable: with the reason.
    """
    image = decode(data)
    levels = np.asarray(to_grey(image)).ravel()
    brightness = float(levels.mean())
    # mean of squares less square of the mean, in float64: exact enough for 8 bits, and half the passes of np.std
    variance = float(np.square(levels, dtype=np.uint16).mean()) - brightness * brightness
    return ImageFacts(
        sha256=sha256_bytes(data),
        width=image.width,
        height=image.height,
        mode=image.mode,
        brightness=brightness,
        contrast=float(np.sqrt(max(variance, 0.0))),
        constant=_is_constant(image),
    )


def _is_constant(image: Image.Image) -> bool:
    if image.mode.startswith("I;16"):  # of the byte orders, Pillow's getextrema knows one only
        values = np.asarray(image)
        return bool(values.min() == values.max())
    extrema: object = image.getextrema()  # (low, high) for one channel, and a tuple of those for several
    assert isinstance(extrema, tuple)
    channels = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(low == high for low, high in channels)
