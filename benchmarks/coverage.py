"""`python -m benchmarks.coverage [--json] [REPEATS]`: how often FD*'s 95 % interval holds the population's distance.

Features are drawn from populations whose distance is known; the table is in docs/evaluation-protocol.md.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from ganops.evaluation.fd_star import frechet_estimates
from ganops.evaluation.feature_stats import FeatureStats
from ganops.evaluation.frechet import frechet_distance
from ganops.evaluation.threads import one_thread

F64 = npt.NDArray[np.float64]
REPEATS = 2_000
_MANY = 10**9


@dataclass(frozen=True)
class Population:
    """Generated features in d dimensions, where real ones are standard normal.

    A share of the images comes of a second cluster, so that features need not be Gaussian.
    """

    name: str
    shift: float = 0.0
    scale: float = 1.0
    second_share: float = 0.0
    second_shift: float = 0.0
    second_scale: float = 1.0

    def draw(self, random: np.random.Generator, count: int, dimensions: int) -> F64:
        """(count, dimensions)."""
        x = random.normal(size=(count, dimensions))
        second = (random.random(count) < self.second_share)[:, None]
        features: F64 = np.where(second, x * self.second_scale + self.second_shift, x * self.scale + self.shift)
        return features

    def distance(self, dimensions: int) -> float:
        """The population's Fréchet distance to standard normal features."""
        share, gap = self.second_share, self.second_shift - self.shift
        mean = np.full(dimensions, self.shift + share * gap)
        within = (1 - share) * self.scale**2 + share * self.second_scale**2
        between = share * (1 - share) * gap**2  # the same along all axes, so that they are correlated
        sigma = within * np.eye(dimensions) + between * np.ones((dimensions, dimensions))
        real = FeatureStats(np.zeros(dimensions), np.eye(dimensions), _MANY)
        return frechet_distance(FeatureStats(mean, sigma, _MANY), real)


SHIFTED = Population("shifted", shift=0.5)
NARROWER = Population("narrower", scale=0.65)
MIXED = Population("mixed", shift=-0.2, scale=0.9, second_share=0.3, second_shift=0.8, second_scale=0.5)
ALMOST_REAL = Population("almost real", shift=0.03, scale=0.97)
REAL = Population("real")


@dataclass(frozen=True)
class Row:
    """Shares of repeats whose interval holds the distance, around FD* and around the plain distance.

    error_ratio: mean standard error over FD*'s true spread. bias: FD*'s, and the plain distance's, in true spreads.
    """

    population: str
    dimensions: int
    generated: int
    reference: int
    repeats: int
    distance: float
    covered: float
    plain_covered: float
    error_ratio: float
    bias: float
    plain_bias: float


def coverage(population: Population, dimensions: int, generated: int, reference: int, repeats: int) -> Row:
    """Repeat number i draws everything from seed i."""
    truth = population.distance(dimensions)
    found = [_once(population, dimensions, generated, reference, seed) for seed in range(repeats)]
    star, error, plain = (np.array(column) for column in zip(*found, strict=True))
    half_width = 1.959963984540054 * error
    return Row(
        population.name,
        dimensions,
        generated,
        reference,
        repeats,
        truth,
        covered=float((abs(star - truth) <= half_width).mean()),
        plain_covered=float((abs(plain - truth) <= half_width).mean()),
        error_ratio=float(error.mean() / star.std()),
        bias=float((star.mean() - truth) / star.std()),
        plain_bias=float((plain.mean() - truth) / star.std()),
    )


def _once(
    population: Population, dimensions: int, generated: int, reference: int, seed: int
) -> tuple[float, float, float]:
    random = np.random.default_rng(seed)
    x = population.draw(random, generated, dimensions)
    found = frechet_estimates(x, random.normal(size=(reference, dimensions)))
    measured = found.star.measurement
    return measured.value, measured.standard_error, found.plain.value


CASES = (
    *((population, 8, 1_000, 400) for population in (SHIFTED, NARROWER, MIXED)),
    *((population, 16, 1_000, 400) for population in (SHIFTED, NARROWER, MIXED)),
    *((population, 32, 2_000, 640) for population in (SHIFTED, NARROWER, MIXED)),
    *((population, 8, 1_000, 80) for population in (SHIFTED, NARROWER, MIXED)),
    *((population, 8, 1_000, 40) for population in (SHIFTED, NARROWER, MIXED)),
    *((population, 8, 1_000, 16) for population in (SHIFTED, NARROWER, MIXED)),
    *((population, 8, 1_000, reference) for population in (ALMOST_REAL, REAL) for reference in (400, 80, 40)),
)
"""The last ones show where it does not hold: two to ten reference images a dimension, and next to no distance."""


def main() -> None:
    repeats = next((int(word) for word in sys.argv[1:] if word.isdigit()), REPEATS)
    with one_thread():
        rows = [coverage(*case, repeats) for case in CASES]
    if "--json" in sys.argv[1:]:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    columns = ("generator", "d", "generated", "reference", "distance", "FD* covered", "plain covered", "SE / spread")
    print("| " + " | ".join((*columns, "bias", "plain bias")) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for row in rows:
        print(
            f"| {row.population} | {row.dimensions} | {row.generated:,} | {row.reference} | {row.distance:.3g} | "
            f"{row.covered:.1%} | {row.plain_covered:.1%} | {row.error_ratio:.2f} | {row.bias:.2f} | "
            f"{row.plain_bias:.2f} |"
        )


if __name__ == "__main__":
    main()
