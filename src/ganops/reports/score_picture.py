"""A score as one picture: its figures, images of A beside their nearest in B, and the shares of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from ganops.files import write_bytes
from ganops.plain_text import spelt
from ganops.reports.canvas import FAINT, INK, RULE, WIDTH, Canvas, broken
from ganops.reports.curves import text
from ganops.reports.score import MEANINGS, interval, seen_by, side

U8 = npt.NDArray[np.uint8]
_MARGIN, _GAP = 28, 26
_LINE = 26
_CELL = 64
"""The largest side of a drawn image."""
_MADE, _REAL = "#2563eb", "#9aa3b2"
_MOST_CLASSES = 20
_MOST_LINES = 6
"""Of one sentence: names may be of any length."""


@final
@dataclass(frozen=True, eq=False)
class Strip:
    """One row of images: title beside it, images_u8 (N, C, H, W)."""

    title: str
    images_u8: U8


@final
@dataclass(frozen=True, eq=False)
class Group:
    """Rows that belong together: the images of a column are of one comparison. All rows are equally long."""

    title: str
    strips: tuple[Strip, ...]


def write_score_picture(path: Path, score: Mapping[str, Any], groups: Sequence[Group]) -> None:
    """Draw the JSON of `ganops score`, and `groups` of images, to the PNG file `path`, atomically."""
    parts: list[_Part] = [_Heading(score), _Figures(score["metrics"])]
    if score["notes"]:
        parts.append(_Notes(score["notes"]))
    parts += map(_Neighbours, groups)
    if score["classes"]:
        parts.append(_Classes(score["classes"]))
    height = 2 * _MARGIN + sum(part.height for part in parts) + _GAP * (len(parts) - 1)
    page = Canvas(height)
    top = _MARGIN
    for part in parts:
        part.draw(page, top)
        top += part.height + _GAP
    write_bytes(path, page.png())


class _Part(Protocol):
    """A horizontal part of the page. height: in units."""

    height: int

    def draw(self, page: Canvas, top: int) -> None: ...


# ---------------------------------------------------------------- the parts, from top to bottom


@final
class _Heading:
    """What was compared, by whose eyes."""

    def __init__(self, score: Mapping[str, Any]) -> None:
        self._name = score["score"]
        roles = {"a": "A", "b": "B", "train": "training", "heldout": "held out"}
        said = [(name, spelt(side(score[role]))) for role, name in roles.items() if score[role] is not None]
        said.append(("seen by", spelt(seen_by(score["protocol"]))))
        self._lines = [
            ("" if number else name, line)
            for name, words in said
            for number, line in enumerate(broken(words, WIDTH - 2 * _MARGIN - 80)[:_MOST_LINES])
        ]
        self.height = 40 + 22 * len(self._lines)

    def draw(self, page: Canvas, top: int) -> None:
        page.text(_MARGIN, top + 14, "A against B", size=22)
        page.text(WIDTH - _MARGIN, top + 14, self._name, colour=FAINT, anchor="rm")
        for number, (name, said) in enumerate(self._lines):
            y = top + 51 + 22 * number
            page.text(_MARGIN, y, name, colour=FAINT)
            page.text(_MARGIN + 80, y, said)


@final
class _Figures:
    """Each metric with its interval; those that are shares on one axis from 0 to 1."""

    _NAME, _VALUE, _INTERVAL, _AXIS = _MARGIN, 250, 290, 560

    def __init__(self, metrics: Mapping[str, Mapping[str, Any]]) -> None:
        self._metrics = metrics
        self.height = _LINE * len(metrics)

    def draw(self, page: Canvas, top: int) -> None:
        for number, (name, item) in enumerate(self._metrics.items()):
            y = top + _LINE * (number + 0.5)
            page.bar(_MARGIN, WIDTH - _MARGIN, top + _LINE * number, 0.5, RULE)
            page.text(self._NAME, y, name)
            page.text(self._VALUE, y, text(item["value"]), anchor="rm")
            page.text(self._INTERVAL, y, interval(item), size=12, colour=FAINT)
            self._right(page, y, name, item)
        page.bar(_MARGIN, WIDTH - _MARGIN, top + self.height, 0.5, RULE)

    def _right(self, page: Canvas, y: float, name: str, item: Mapping[str, Any]) -> None:
        meaning = MEANINGS.get(name)
        if name not in _SHARES or item["value"] is None:
            words = f"{_WORDS[meaning.better]}{', biased' if meaning.biased else ''}" if meaning else ""
            page.text(self._AXIS, y, words, size=12, colour=FAINT)
            return
        left, width = self._AXIS, WIDTH - _MARGIN - self._AXIS - 10
        page.bar(left, left + width, y, 5, RULE)
        low, high = (min(max(item[end] or item["value"], 0), 1) for end in ("low", "high"))
        page.bar(left, left + width * min(max(item["value"], 0), 1), y, 5, _MADE)
        page.bar(left + width * low, left + width * high, y, 1.5, INK)
        for end in (low, high):
            page.bar(left + width * end - 0.75, left + width * end + 0.75, y, 11, INK)


_SHARES = frozenset({"precision", "recall", "coverage", "class_coverage"})
_WORDS: Mapping[str, str] = {
    "lower": "lower is better",
    "higher": "higher is better",
    "near 1": "near 1 is best",
    "near 0": "near 0 is best",
}


@final
class _Notes:
    """What to know before the figures are believed."""

    _SIZE, _STEP = 13, 19

    def __init__(self, notes: Sequence[str]) -> None:
        width = WIDTH - 2 * _MARGIN - 16
        self._lines = [
            (number == 0, line)
            for note in notes
            for number, line in enumerate(broken(spelt(note), width, self._SIZE)[:_MOST_LINES])
        ]
        self.height = self._STEP * len(self._lines)

    def draw(self, page: Canvas, top: int) -> None:
        for number, (first, line) in enumerate(self._lines):
            y = top + self._STEP * (number + 0.5)
            if first:
                page.text(_MARGIN, y, "!", size=self._SIZE, colour=_MADE)
            page.text(_MARGIN + 16, y, line, size=self._SIZE)


@final
class _Neighbours:
    """Images of A, and below each what is near to it."""

    _LEFT = _MARGIN + 128

    def __init__(self, group: Group) -> None:
        self._group = group
        self.height = 30 + (_CELL + 4) * len(group.strips)

    def draw(self, page: Canvas, top: int) -> None:
        page.text(_MARGIN, top + 9, self._group.title, size=16)
        for number, strip in enumerate(self._group.strips):
            y = top + 30 + (_CELL + 4) * number
            page.text(_MARGIN, y + _CELL / 2, strip.title, size=13, colour=FAINT if number else INK, width=122)
            for column, image in enumerate(strip.images_u8):
                page.picture(image, self._LEFT + column * (_CELL + 4), y, side=_CELL)


COLUMNS = (WIDTH - _MARGIN - _Neighbours._LEFT + 4) // (_CELL + 4)
"""Images that fit beside each other."""


@final
class _Classes:
    """The share of each class in A against its share in B; of many, those that differ most."""

    _LEFT, _RIGHT = _MARGIN + 150, WIDTH - _MARGIN - 120

    def __init__(self, classes: Sequence[Mapping[str, Any]]) -> None:
        self._all = len(classes)
        by_difference = sorted(classes, key=lambda item: -abs(item["made"] - item["real"]))
        shown = {item["name"] for item in by_difference[:_MOST_CLASSES]}
        self._classes = [item for item in classes if item["name"] in shown]
        self.height = 36 + _LINE * len(self._classes)

    def draw(self, page: Canvas, top: int) -> None:
        most = f", the {_MOST_CLASSES} of {self._all} that differ most" if self._all > len(self._classes) else ""
        page.text(_MARGIN, top + 9, f"Shares of classes{most}", size=16)
        for x, name, colour in ((self._RIGHT - 60, "A", _MADE), (self._RIGHT + 10, "B", _REAL)):
            page.bar(x, x + 14, top + 9, 8, colour)
            page.text(x + 20, top + 9, name, size=13)
        largest = max(max(item["made"], item["real"]) for item in self._classes) or 1.0
        for number, item in enumerate(self._classes):
            y = top + 36 + _LINE * (number + 0.5)
            page.text(self._LEFT - 12, y, item["name"], size=13, anchor="rm", width=self._LEFT - _MARGIN - 12)
            for share, offset, colour in ((item["made"], -4.5, _MADE), (item["real"], 4.5, _REAL)):
                page.bar(self._LEFT, self._LEFT + (self._RIGHT - self._LEFT) * share / largest, y + offset, 8, colour)
            said = f"A {100 * item['made']:.1f} %   B {100 * item['real']:.1f} %"
            page.text(WIDTH - _MARGIN, y, said, size=12, colour=FAINT, anchor="rm")
