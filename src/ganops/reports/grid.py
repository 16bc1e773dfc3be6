"""Many small images on one that a person can look at."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ganops.files import write_bytes

U8 = npt.NDArray[np.uint8]

TARGET_WIDTH = 640
"""Pixels that a grid is enlarged to, roughly: by whole factors, so that pixels stay square and sharp."""
_BACKGROUND = 255
_TEXT_HEIGHT = 14
_TEXT_MARGIN = 6


@final
@dataclass(frozen=True, eq=False)
class SheetRow:
    """One row of a contact sheet."""

    title: str
    """Class name and the like; may be empty."""
    images_u8: U8
    """(N, C, H, W), 0-255."""


def grid_image(images_u8: U8, columns: int | None = None, scale: int | None = None, padding: int = 1) -> Image.Image:
    """Images in rows, first on top left.

    Args:
        images_u8: uint8 (N, C, H, W), 0-255, C of 1 or 3, N at least 1.
        columns: images in a row; by default as square as can be.
        scale: whole factor of enlargement; by default such that the grid is about `TARGET_WIDTH` wide.
        padding: white pixels between and around the images, before enlargement.

    Returns:
        Mode `L` for one channel and `RGB` for three.
    """
    _check(images_u8)
    count, channels, height, width = images_u8.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    canvas = np.full(
        (rows * (height + padding) + padding, columns * (width + padding) + padding, channels), _BACKGROUND, np.uint8
    )
    for index, image in enumerate(images_u8):
        top = padding + (index // columns) * (height + padding)
        left = padding + (index % columns) * (width + padding)
        canvas[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return _enlarged(canvas, scale or default_scale(canvas.shape[1]))


def write_grid(
    path: Path, images_u8: U8, columns: int | None = None, scale: int | None = None, padding: int = 1
) -> None:
    """`grid_image` as a PNG file, written atomically."""
    _write_png(path, grid_image(images_u8, columns, scale, padding))


def contact_sheet(rows: Sequence[SheetRow], scale: int | None = None) -> Image.Image:
    """One row of images after another, each with its title beside it; mode `RGB`.

    All rows hold images of one shape; rows may be of different lengths.
    """
    assert rows, "a contact sheet shows something"
    longest = max(len(row.images_u8) for row in rows)
    width = rows[0].images_u8.shape[3]
    scale = scale or default_scale(longest * (width + 1) + 1)
    strips = [grid_image(row.images_u8, columns=len(row.images_u8), scale=scale) for row in rows]
    font = ImageFont.load_default(_TEXT_HEIGHT)
    titles = max(math.ceil(font.getlength(row.title)) for row in rows)
    left = titles + 2 * _TEXT_MARGIN if titles else 0
    height = max(strips[0].height, _TEXT_HEIGHT + 2)
    sheet = Image.new("RGB", (left + max(strip.width for strip in strips), height * len(rows)), (_BACKGROUND,) * 3)
    draw = ImageDraw.Draw(sheet)
    for number, (row, strip) in enumerate(zip(rows, strips, strict=True)):
        top = number * height
        sheet.paste(strip, (left, top))
        draw.text((_TEXT_MARGIN, top + height // 2), row.title, fill=0, font=font, anchor="lm")
    return sheet


def write_contact_sheet(path: Path, rows: Sequence[SheetRow], scale: int | None = None) -> None:
    """`contact_sheet` as a PNG file, written atomically."""
    _write_png(path, contact_sheet(rows, scale))


def default_scale(width: int) -> int:
    """The whole factor that brings `width` pixels nearest to `TARGET_WIDTH`, at least 1."""
    return max(1, round(TARGET_WIDTH / width))


def _enlarged(canvas: U8, scale: int) -> Image.Image:
    large = canvas.repeat(scale, axis=0).repeat(scale, axis=1)
    return Image.fromarray(large[:, :, 0] if large.shape[2] == 1 else large)


def _write_png(path: Path, image: Image.Image) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def _check(images_u8: U8) -> None:
    assert images_u8.dtype == np.uint8, f"images_u8 is {images_u8.dtype}"
    assert images_u8.ndim == 4 and images_u8.shape[1] in (1, 3) and len(images_u8), f"images_u8 is {images_u8.shape}"
