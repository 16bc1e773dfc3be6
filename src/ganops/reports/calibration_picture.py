"""A calibration as one picture: false promotions by three rules, and how often better generators are found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganops.files import write_bytes
from ganops.reports.calibration import percent, rules_by_null, setting
from ganops.reports.canvas import FAINT, INK, RULE, WIDTH, Canvas

_MARGIN, _LINE, _LEFT = 28, 20, 300
_COLOURS = ("#2563eb", "#d97706", "#9aa3b2")
_LIMIT = "#dc2626"


def write_calibration_picture(path: Path, found: Mapping[str, Any]) -> None:
    """Draw the JSON of `ganops gate calibrate` to the PNG file `path`, atomically."""
    nulls, power = rules_by_null(found), found["power"]
    rules = tuple(nulls[0][1])
    height = 150 + len(nulls) * (len(rules) * _LINE + 12) + 44 + len(power) * _LINE + _MARGIN
    page = Canvas(height)
    page.text(_MARGIN, 34, "How often the gate is wrong, and what it finds", size=20)
    page.text(_MARGIN, 62, setting(found), size=12, colour=FAINT, width=WIDTH - 2 * _MARGIN)
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


def _draw_rate(page: Canvas, y: float, item: Mapping[str, Any], rate: float, largest: float, colour: str) -> None:
    """A bar, its interval, and the figure."""
    low, high = (_LEFT + _scaled(item[end], largest) for end in ("lower_95", "upper_95"))
    page.bar(_LEFT, _LEFT + _scaled(largest, largest), y, 1, RULE)
    page.bar(_LEFT, _LEFT + _scaled(rate, largest), y, 9, colour)
    page.bar(low, high, y, 1.5, INK)
    page.text(WIDTH - _MARGIN, y, percent(rate), size=12, anchor="rm")
