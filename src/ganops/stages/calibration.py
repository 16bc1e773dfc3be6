"""What `calibrate` finds: how often the gate is wrong, what it can find, and with how many images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from ganops.evaluation.binomial import lower_limit, upper_limit

LIMIT = 0.07
"""What the one-sided 95 % upper limit of every null's false promotions has to stay under."""
POWER = 0.8
"""The chance of being found that a sample count is asked for."""


@final
@dataclass(frozen=True)
class Rate:
    """How often something happened, with exact one-sided 95 % limits."""

    name: str
    count: int
    repeats: int

    @property
    def rate(self) -> float:
        return self.count / self.repeats

    @property
    def lower_95(self) -> float:
        return lower_limit(self.count, self.repeats)

    @property
    def upper_95(self) -> float:
        return upper_limit(self.count, self.repeats)

    def to_json(self, called: str) -> dict[str, Any]:
        limits = {"lower_95": self.lower_95, "upper_95": self.upper_95}
        return {"name": self.name, "repeats": self.repeats, called: self.rate, **limits}


@final
@dataclass(frozen=True)
class Needed:
    """Images for a power of `POWER`, by how the standard error shrinks with them.

    num_images: of either generator with today's reference; None where that alone is too unsure.
    both: (generated, reference), where both grow by one factor; None where min_improvement is larger than the
    improvement. checked: the power found by simulating these; None where they are too many.
    """

    num_images: int | None
    both: tuple[int, int] | None
    checked: Rate | None


@final
@dataclass(frozen=True)
class Power:
    """improvement: share of the champion's distance. found: how often the gate promoted."""

    improvement: float
    found: Rate
    needed: Needed

    def to_json(self) -> dict[str, Any]:
        both = self.needed.both
        return {
            "improvement": self.improvement,
            **self.found.to_json("power"),
            "num_images_needed": self.needed.num_images,
            "both_needed": {"num_images": both[0], "num_reference": both[1]} if both else None,
            "checked": self.needed.checked.to_json("power") if self.needed.checked else None,
        }


@final
@dataclass(frozen=True)
class Whole:
    """Decisions with everything measured. by_distance: promotions had there been no guards. vetoes: by guard."""

    promoted: Rate
    by_distance: int
    vetoes: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {**self.promoted.to_json("promotion_rate"), "by_distance": self.by_distance, "vetoes": self.vetoes}


@final
@dataclass(frozen=True)
class Calibration:
    """What was found. distance, total_variance: of the simulated champion and of the features. level: of one test.

    nulls: false promotions by the gate; naive: by two other rules on the same draws, (rule, rate).
    """

    score: str
    dimensions: int
    num_images: int
    num_reference: int
    distance: float
    distance_from: str
    total_variance: float
    level: float
    min_improvement: float
    seed: int
    nulls: tuple[Rate, ...]
    naive: tuple[tuple[str, Rate], ...]
    power: tuple[Power, ...]
    whole: tuple[Whole, ...]

    @property
    def holds(self) -> bool:
        """Whether every null's upper limit stays under `LIMIT`."""
        return all(null.upper_95 <= LIMIT for null in self.nulls)

    def to_json(self) -> dict[str, Any]:
        rates = ("nulls", "naive", "power", "whole")
        return {
            **{name: value for name, value in vars(self).items() if name not in rates},
            "limit": LIMIT,
            "holds": self.holds,
            "nulls": [null.to_json("false_promotion_rate") for null in self.nulls],
            "naive": [{"rule": rule, **rate.to_json("false_promotion_rate")} for rule, rate in self.naive],
            "power": [power.to_json() for power in self.power],
            "whole": [whole.to_json() for whole in self.whole],
        }
