"""What pictures of figures are drawn on: a white page in units, whatever the pixels."""

from __future__ import annotations

import io
import math
import unicodedata
from typing import Literal, final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

WIDTH, SHARPNESS = 1000, 2
"""Units that a page is wide, and pixels to each."""
INK, FAINT, RULE, PAPER = "#1a1c20", "#6b7280", "#e3e5e9", "#ffffff"


@final
class Canvas:
    """A white page; all places and sizes are in units."""

    def __init__(self, height: float) -> None:
        self._image = Image.new("RGB", (WIDTH * SHARPNESS, round(height) * SHARPNESS), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        x: float,
        y: float,
        said: str,
        size: int = 14,
        colour: str = INK,
        anchor: Literal["lm", "rm", "mm"] = "lm",
        width: float = math.inf,
    ) -> None:
        """`said` with its middle at `y`, cut where it is longer than `width`."""
        font, said = ImageFont.load_default(size * SHARPNESS), _in_the_font(said)
        while font.getlength(said) > width * SHARPNESS and len(said) > 1:
            said = f"{said[:-2]}…"
        self._draw.text((x * SHARPNESS, y * SHARPNESS), said, fill=colour, font=font, anchor=anchor)

    def bar(self, left: float, right: float, y: float, thickness: float, colour: str) -> None:
        """Lying, with its middle at `y`."""
        self._rectangle(left, y - thickness / 2, max(right, left + 0.5), y + thickness / 2, colour)

    def line(self, x: float, top: float, bottom: float, colour: str) -> None:
        """Upright, one unit thick."""
        self._rectangle(x - 0.5, top, x + 0.5, bottom, colour)

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        self._draw.ellipse([place * SHARPNESS for place in (x - radius, y - radius, x + radius, y + radius)], colour)

    def picture(self, image_u8: npt.NDArray[np.uint8], x: float, y: float, side: int) -> None:
        """uint8 (C, H, W) in a square of `side`: small ones enlarged by whole factors, so that pixels stay sharp."""
        channels = image_u8.transpose(1, 2, 0)
        picture = Image.fromarray(channels[:, :, 0] if channels.shape[2] == 1 else channels).convert("RGB")
        room = side * SHARPNESS
        factor = room / max(picture.size)
        factor = math.floor(factor) if factor >= 2 else factor
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        method = Image.Resampling.NEAREST if factor >= 2 else Image.Resampling.LANCZOS
        picture = picture.resize(size, method)
        place = round(x * SHARPNESS) + (room - size[0]) // 2, round(y * SHARPNESS) + (room - size[1]) // 2
        self._image.paste(picture, place)

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self._image.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def _rectangle(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        self._draw.rectangle([round(place * SHARPNESS) for place in (left, top, right, bottom)], fill=colour)


def broken(said: str, width: float, size: int = 14) -> list[str]:
    """`said` as lines no longer than `width`: broken between words, and within one that is longer by itself."""
    font, lines = ImageFont.load_default(size * SHARPNESS), [""]

    def fits(line: str) -> bool:
        return font.getlength(_in_the_font(line)) <= width * SHARPNESS

    for word in said.split():
        if fits(f"{lines[-1]} {word}".strip()):
            lines[-1] = f"{lines[-1]} {word}".strip()
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and not fits(lines[-1] + letter):
                lines.append("")
            lines[-1] += letter
    return lines


def _in_the_font(said: str) -> str:
    """Pillow's own font has neither accents nor a minus."""
    letters = unicodedata.normalize("NFD", said.replace("−", "-"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
