"""A calibration as one picture: false promotions by three rules, and how often better generators are found."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, final

from PIL import Image, ImageDraw, ImageFont

from ganops.files import write_bytes
from ganops.reports.calibration import percent, rules_by_null, setting

WIDTH, SHARPNESS = 1000, 2
"""Units that the picture is wide, and pixels to each."""
_MARGIN, _LINE, _LEFT = 28, 20, 300
_INK, _FAINT, _RULE = "#1a1c20", "#6b7280", "#e3e5e9"
_COLOURS = ("#2563eb", "#d97706", "#9aa3b2")
_LIMIT = "#dc2626"


def write_calibration_picture(path: Path, found: Mapping[str, Any]) -> None:
    """Draw the JSON of `ganops gate calibrate` to the PNG file `path`, atomically."""
    nulls, power = rules_by_null(found), found["power"]
    rules = tuple(nulls[0][1])
    height = 150 + len(nulls) * (len(rules) * _LINE + 12) + 44 + len(power) * _LINE + _MARGIN
    page = _Page(height)
    page.text(_MARGIN, 34, "How often the gate is wrong, and what it finds", size=20)
    page.text(_MARGIN, 62, setting(found), size=12, colour=_FAINT)
    for number, rule in enumerate(rules):
        page.bar(_MARGIN + 170 * number, _MARGIN + 170 * number + 14, 92, 8, _COLOURS[number])
        page.text(_MARGIN + 170 * number + 20, 92, rule, size=13)
    top = 150
    page.text(_MARGIN, top - 22, "False promotions among equals", size=15)
    largest = max(item["upper_95"] for _, by_rule in nulls for item in by_rule.values())
    end = top + len(nulls) * (len(rules) * _LINE + 12)
    limit = _LEFT + _scaled(found["limit"], largest)
    page.line(limit, top - 6, end, _LIMIT)
    page.text(limit, top - 14, f"limit {percent(found['limit'])}", size=11, colour=_LIMIT, anchor="mm")
    y = float(top)
    for name, by_rule in nulls:
        page.text(_MARGIN, y + len(rules) * _LINE / 2, name, size=13)
        for colour, item in zip(_COLOURS, by_rule.values(), strict=False):
            _draw_rate(page, y + _LINE / 2, item, item["false_promotion_rate"], largest, colour)
            y += _LINE
        y += 12
    y += 44
    page.text(_MARGIN, y - 22, "Better generators that are promoted", size=15)
    for item in power:
        page.text(_MARGIN, y + _LINE / 2, item["name"], size=13)
        _draw_rate(page, y + _LINE / 2, item, item["power"], 1.0, _COLOURS[0])
        y += _LINE
    write_bytes(path, page.png())


def _scaled(share: float, largest: float) -> float:
    return (WIDTH - _MARGIN - 70 - _LEFT) * share / largest


def _draw_rate(page: _Page, y: float, item: Mapping[str, Any], rate: float, largest: float, colour: str) -> None:
    """A bar, its interval, and the figure."""
    low, high = (_LEFT + _scaled(item[end], largest) for end in ("lower_95", "upper_95"))
    page.bar(_LEFT, _LEFT + _scaled(largest, largest), y, 1, _RULE)
    page.bar(_LEFT, _LEFT + _scaled(rate, largest), y, 9, colour)
    page.bar(low, high, y, 1.5, _INK)
    page.text(WIDTH - _MARGIN, y, percent(rate), size=12, anchor="rm")


@final
class _Page:
    """A white page; all places and sizes are in units."""

    def __init__(self, height: float) -> None:
        self._image = Image.new("RGB", (WIDTH * SHARPNESS, round(height) * SHARPNESS), "#ffffff")
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        x: float,
        y: float,
        said: str,
        size: int = 14,
        colour: str = _INK,
        anchor: Literal["lm", "rm", "mm"] = "lm",
    ) -> None:
        """`said` with its middle at `y`, without accents, which the built-in font has not, and cut at the margin."""
        said = unicodedata.normalize("NFKD", said).encode("ascii", "ignore").decode()
        font = ImageFont.load_default(size * SHARPNESS)
        while anchor == "lm" and font.getlength(said) > (WIDTH - _MARGIN - x) * SHARPNESS and len(said) > 3:
            said = f"{said[:-4]}..."
        self._draw.text((x * SHARPNESS, y * SHARPNESS), said, fill=colour, font=font, anchor=anchor)

    def bar(self, left: float, right: float, y: float, thickness: float, colour: str) -> None:
        box = (left, y - thickness / 2, max(right, left + 0.5), y + thickness / 2)
        self._draw.rectangle([round(place * SHARPNESS) for place in box], fill=colour)

    def line(self, x: float, top: float, bottom: float, colour: str) -> None:
        box = (x - 0.5, top, x + 0.5, bottom)
        self._draw.rectangle([round(place * SHARPNESS) for place in box], fill=colour)

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self._image.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()
