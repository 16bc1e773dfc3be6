"""Between encoded bytes and 8-bit pixels. All decoding in GanOps goes through here."""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

U8 = npt.NDArray[np.uint8]

MAX_PIXELS = 64_000_000
"""Larger pictures are refused before they are decoded: a small file can unpack to any size."""
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
"""Pillow's modes that hold no colour."""

_MILLIONS = MAX_PIXELS // 10**6
_ORIENTATION = 0x0112  # EXIF tag
# What Pillow's plugins are known to raise on damaged files.
_DAMAGED = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError,
    AssertionError, RuntimeError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_NOT_READ = frozenset({
    "EPS",  # Pillow would start another program
    "FITS",  # unpacked pixel by pixel in Python: a few kilobytes would take minutes and gigabytes
})  # fmt: skip


class Undecodable(Exception):  # a verdict on bytes, never seen by a user
    """These bytes are no image that can be used; the message says why. Always caught within `ganops.data`."""


def decode(data: bytes) -> Image.Image:
    """The whole picture, upright as its EXIF orientation says; of an animation, the first frame.

    Raises:
        Undecodable: not an image, damaged, larger than `MAX_PIXELS`, or of a mode without a fixed range.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a picture that Pillow can read oddly is still a picture
            image: Image.Image = Image.open(io.BytesIO(data), formats=_formats())
            _check_size(image)
            image.load()
            _check_size(image)  # an icon's inner picture is found out now
            if image.getexif().get(_ORIENTATION, 1) != 1:
                image = ImageOps.exif_transpose(image)
            if image.mode == "F":
                raise Undecodable("floating-point pixels have no agreed range; save it with 8 or 16 bits")
            if image.mode in ("LAB", "HSV", "La"):
                raise Undecodable(f"mode {image.mode} is not read; save it as RGB")
    except UnidentifiedImageError:
        raise Undecodable("not an image that Pillow can read") from None
    except _TOO_LARGE:
        raise Undecodable(f"it claims far more than the {_MILLIONS} million pixels that are read") from None
    except _DAMAGED as error:
        raise Undecodable(f"damaged: {' '.join(str(error).split())[:200] or type(error).__name__}") from None
    return image


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Undecodable(f"{image.width}x{image.height} pixels, and at most {_MILLIONS} million are read")
    if image.width < 1 or image.height < 1:
        raise Undecodable(f"{image.width}x{image.height} pixels: there is nothing in it")


def to_grey(image: Image.Image) -> Image.Image:
    """Mode `L`: 16-bit scaled to 8, transparency laid on white, colour by ITU-R 601 luma."""
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(image))
    if image.has_transparency_data:
        image = _on_white(image)
    return image.convert("L")


def to_rgb(image: Image.Image) -> Image.Image:
    """Mode `RGB`: 16-bit scaled to 8, transparency laid on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    return _on_white(image) if image.has_transparency_data else image.convert("RGB")


def encode_png(pixels: U8) -> bytes:
    """Pixels, uint8 (H, W) grey or (H, W, 3) RGB, as a PNG file; the same bytes for the same pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _eight_bits(image: Image.Image) -> U8:
    """Grey of 0..65535 (Pillow's `I` holds 16-bit files too) to 0..255: 65535 = 255 * 257."""
    values = np.asarray(image).astype(np.int64).clip(0, 65535)
    return ((values + 128) // 257).astype(np.uint8)


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.ID if name not in _NOT_READ)
