"""Charts as inline SVG that fits any width: x is in per cent of the chart, y in pixels, so text is never stretched.

Colours come from the page's style sheet: series number n has the class `s{n % COLOURS}`, so that one
candidate has one colour everywhere, by day and by night.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

from markupsafe import Markup

COLOURS = 8
"""Colours that the style sheet knows; further series are dashed."""
_LOG_RATIOS = (20.0, 1e12)
"""Largest over smallest value between which an axis is logarithmic; beyond, the smallest is as good as nothing."""
_WIDTH = 1000.0
"""Units across the stretched part of a chart."""


@final
@dataclass(frozen=True)
class Series:
    """One line. number: which colour; points: (x, y), all finite; best: the point to mark.

    rollbacks: where x went back: (how many points lie before that, the x it was left at); the line is broken there.
    """

    name: str
    number: int
    points: tuple[tuple[float, float], ...]
    best: tuple[float, float] | None = None
    rollbacks: tuple[tuple[int, float], ...] = ()

    @property
    def style(self) -> str:
        """CSS classes of this series."""
        return f"s{self.number % COLOURS}" + (" dashed" if self.number >= COLOURS else "")

    @property
    def courses(self) -> list[tuple[tuple[float, float], ...]]:
        """The points between rollbacks, without those stretches that have none."""
        ends = [0, *(place for place, _ in self.rollbacks), len(self.points)]
        return [self.points[start:end] for start, end in pairwise(ends) if start < end]


@final
@dataclass(frozen=True)
class Axis:
    """From values to a share of the axis, 0 to 1; the bounds lie outside of all values."""

    low: float
    high: float
    log: bool

    @staticmethod
    def over(values: Sequence[float], log: bool | None = None) -> Axis:
        """An axis that shows all `values` (at least one, finite); logarithmic where they are positive and wide."""
        low, high = min(values), max(values)
        if log is None:
            log = low > 0 and _LOG_RATIOS[0] <= high / low <= _LOG_RATIOS[1]
        if log:
            low, high = math.log10(low), math.log10(high)
        margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        return Axis(low - margin, high + margin, log)

    def share(self, value: float) -> float:
        """Where `value` lies."""
        return ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)

    def ticks(self, at_most: int = 6) -> list[float]:
        """Round values on the axis, ascending."""
        if self.log:
            decades = range(math.floor(self.low), math.ceil(self.high) + 1)
            for steps in ((1, 2, 5), (1, 3), (1,)):
                found = [step * 10.0**decade for decade in decades for step in steps]
                found = [value for value in found if 0 <= self.share(value) <= 1]
                if len(found) <= at_most:
                    return found
            return found[:: math.ceil(len(found) / at_most)]
        step = _round_step((self.high - self.low) / at_most)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [index * step for index in range(first, last + 1)]


def finite(value: Any) -> float | None:
    """`value` as a finite float, else None: lines may hold anything."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def text(value: float | None, digits: int = 4) -> str:
    """`value` for a person: about `digits` significant digits, a real minus sign, an en dash for None."""
    if value is None or not math.isfinite(value):
        return "–"
    if abs(value) >= 10.0 ** (digits - 1):
        shown = f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.{digits - 1}g}"
    else:
        shown = f"{value:z.{digits}g}"
    return shown.replace("-", "−")


def line_chart(series: Sequence[Series], described: str, height: int = 260, x_unit: str = "kimg") -> Markup:
    """All of `series` on one pair of axes; empty where there is no point at all.

    described: what a reader who cannot see the chart is told; it says nothing about single points.
    """
    points = [point for each in series for point in each.points]
    if not points:
        return Markup("")
    left = [x for each in series for _, x in each.rollbacks]
    x_axis = Axis(min(0.0, *(x for x, _ in points)), max(*(x for x, _ in points), *left, 0.0) or 1.0, False)
    y_axis = Axis.over([y for _, y in points])
    x_ticks = x_axis.ticks(5 if height > 200 else 3)
    parts = [
        Markup('<svg class="chart" role="img" width="100%" height="{}" aria-label="{}">').format(height + 24, described)
    ]
    for tick in y_axis.ticks(max(3, height // 45)):
        y = _y(y_axis, tick, height)
        parts.append(Markup('<line class="rule" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(y))
        parts.append(
            Markup('<text class="tick" x="0" dx="-8" y="{}" text-anchor="end">{}</text>').format(y + 4, text(tick))
        )
    for tick in x_ticks:
        label = f"{text(tick)} {x_unit}" if tick == x_ticks[-1] else text(tick)
        share = x_axis.share(tick)
        anchor = "start" if share < 0.02 else "end" if share > 0.92 else "middle"
        parts.append(
            Markup('<text class="tick" x="{:.2f}%" y="{}" text-anchor="{}">{}</text>').format(
                100 * share, height + 19, anchor, label
            )
        )
    parts.append(Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(height))
    parts += [_rollback(x, each.style, x_axis, height) for each in series for _, x in each.rollbacks]
    parts += [_line(course, each.style, x_axis, y_axis, height) for each in series for course in each.courses]
    marked = [each for each in series if each.best]
    winner = min(marked, key=_best_value, default=None)
    parts += [_mark(each.best, each.style, x_axis, y_axis, height, each is winner) for each in marked if each.best]
    return Markup("").join([*parts, Markup("</svg>")])


def interval(low: float | None, value: float, high: float | None, axis: Axis, number: int) -> Markup:
    """One value with its interval on an axis that several rows share; decoration beside the figures themselves."""
    style = f"s{number % COLOURS}"
    bar = Markup("")
    if low is not None and high is not None:
        ends = (100 * axis.share(low), 100 * axis.share(high))
        bar = Markup('<line class="bar {}" x1="{:.2f}%" x2="{:.2f}%" y1="12" y2="12"/>').format(style, *ends)
    ticks = Markup("").join(
        Markup('<line class="rule" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="24"/>').format(100 * axis.share(tick))
        for tick in axis.ticks(4)
    )
    dot = Markup('<circle class="dot {}" cx="{:.2f}%" cy="12" r="4"/>').format(style, 100 * axis.share(value))
    return Markup('<svg class="interval" width="100%" height="24" aria-hidden="true">{}{}{}</svg>').format(
        ticks, bar, dot
    )


def interval_scale(axis: Axis) -> Markup:
    """The labels above a column of `interval`s."""
    labels = Markup("").join(
        Markup('<text class="tick" x="{:.2f}%" y="12" text-anchor="middle">{}</text>').format(
            100 * axis.share(tick), text(tick)
        )
        for tick in axis.ticks(4)
    )
    return Markup('<svg class="interval" width="100%" height="16" aria-hidden="true">{}</svg>').format(labels)


def _rollback(x: float, style: str, x_axis: Axis, height: int) -> Markup:
    return Markup('<line class="back {0}" x1="{1:.2f}%" x2="{1:.2f}%" y1="0" y2="{2}"/>').format(
        style, 100 * x_axis.share(x), height
    )


def _line(points: Sequence[tuple[float, float]], style: str, x_axis: Axis, y_axis: Axis, height: int) -> Markup:
    if len(points) == 1:
        ((x, y),) = points
        return Markup('<circle class="dot {}" cx="{:.2f}%" cy="{}" r="3"/>').format(
            style, 100 * x_axis.share(x), _y(y_axis, y, height)
        )
    path = " ".join(f"{_WIDTH * x_axis.share(x):.1f},{_y(y_axis, y, height)}" for x, y in points)
    return Markup(
        '<svg width="100%" height="{0}" viewBox="0 0 {1:g} {0}" preserveAspectRatio="none">'
        '<polyline class="line {2}" points="{3}"/></svg>'
    ).format(height, _WIDTH, style, path)


def _mark(best: tuple[float, float], style: str, x_axis: Axis, y_axis: Axis, height: int, with_figure: bool) -> Markup:
    share, y = x_axis.share(best[0]), _y(y_axis, best[1], height)
    ring = Markup('<circle class="ring {}" cx="{:.2f}%" cy="{}" r="4.5"/>').format(style, 100 * share, y)
    if not with_figure:
        return ring
    anchor = "start" if share < 0.1 else "end" if share > 0.9 else "middle"
    return ring + Markup('<text class="mark" x="{:.2f}%" y="{}" text-anchor="{}">best {}</text>').format(
        100 * share, y - 11, anchor, text(best[1])
    )


def _best_value(series: Series) -> float:
    return series.best[1] if series.best else math.inf


def _y(axis: Axis, value: float, height: int) -> float:
    return round(height * (1 - axis.share(value)), 1)


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= least * (1 - 1e-9))
