"""A line of `ganops bench evaluate`, and how two ways to the same result are timed beside each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar, final

T = TypeVar("T")
Unit = Literal["s", "images/s"]


@final
@dataclass(frozen=True)
class Target:
    """What a row is to reach; None is not asked for. at_most: of `ours`. ratio: at least. difference: less than."""

    at_most: float | None = None
    ratio: float | None = None
    difference: float | None = None


NO_TARGET = Target()


@final
@dataclass(frozen=True)
class Row:
    """One line of the table; None where nothing was measured, and `note` says why.

    part: of the evaluation. name: what is timed; reference: beside what, empty for nothing. ours, theirs: medians,
    in `unit`. peak_mb, reference_peak_mb: highest resident memory, where each ran in a process of its own.
    difference: of the results, relative to the reference's.
    """

    part: str
    name: str
    reference: str
    device: str = "cpu"
    unit: Unit = "s"
    ours: float | None = None
    theirs: float | None = None
    target: Target = NO_TARGET
    peak_mb: float | None = None
    reference_peak_mb: float | None = None
    difference: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is."""
        if self.ours is None or self.theirs is None:
            return None
        return self.theirs / self.ours if self.unit == "s" else self.ours / self.theirs

    @property
    def verdict(self) -> str:
        """met, missed, not measured (in whole or in what the target is about), or no target."""
        if self.ours is None:
            return "not measured"
        if self.target == NO_TARGET:
            return "no target"
        found = [
            None if bound is None else (value is not None and sign * value <= sign * bound)
            for value, bound, sign in (
                (self.ours, self.target.at_most, 1),
                (self.ratio, self.target.ratio, -1),
                (self.difference, self.target.difference, 1),
            )
        ]
        return "missed" if False in found else "met"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}


@final
@dataclass(frozen=True)
class Timed(Generic[T]):
    """seconds: the median of the turns. result: of the last one."""

    seconds: float
    result: T


def in_turns(works: Sequence[Callable[[], T]], turns: int) -> list[Timed[T]]:
    """Each does its work once a turn, one after the other: what disturbs the machine disturbs all of them."""
    seconds: list[list[float]] = [[] for _ in works]
    results: list[T] = []
    for _ in range(turns):
        results = []
        for number, work in enumerate(works):
            begun = time.perf_counter()
            results.append(work())
            seconds[number].append(time.perf_counter() - begun)
    return [Timed(statistics.median(each), result) for each, result in zip(seconds, results, strict=True)]


def relative(value: float, expected: float) -> float:
    """|value - expected| / |expected|."""
    return abs(value - expected) / abs(expected)
