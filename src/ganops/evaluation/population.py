"""A population that resembles a set of features, and generators whose true Fréchet distance to it is known exactly.

The population is a smoothed bootstrap (Silverman & Young 1987): a row drawn from the data, plus Gaussian noise with the
data's own covariance, drawn together so that mean and covariance stay those of the data. It keeps the data's clusters
and tails, and its two moments, all that a Fréchet distance sees, are known without error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from ganops.evaluation.estimate import F64
from ganops.evaluation.feature_stats import Features

F32 = npt.NDArray[np.float32]
BANDWIDTH = 0.3
"""The noise's standard deviation in units of the data's: about a twelfth of the variance is noise."""
_NULL_DIRECTION = 1e-10  # of the largest variance


@final
@dataclass(frozen=True)
class Kind:
    """A generator, made of the population by x ↦ μ + scale·(x - μ) + shift·σ, with σ the standard deviations along the
    principal directions. Its true Fréchet distance is (shift² + (1 - scale)²) times the population's total variance.
    """

    name: str
    shift: float = 0.0
    scale: float = 1.0

    @staticmethod
    def shifted(share: float) -> Kind:
        """All images wrong by the same step. share: the true distance over the total variance."""
        return Kind("shifted", shift=math.sqrt(share))

    @staticmethod
    def narrower(share: float) -> Kind:
        """Too little variety; share < 1."""
        return Kind("narrower", scale=1.0 - math.sqrt(share))

    @staticmethod
    def wider(share: float) -> Kind:
        """Too much."""
        return Kind("wider", scale=1.0 + math.sqrt(share))

    @staticmethod
    def mixed(share: float) -> Kind:
        """Half of the distance by a step, half by too little variety."""
        return Kind("mixed", math.sqrt(share / 2), 1.0 - math.sqrt(share / 2))

    @property
    def share(self) -> float:
        """The true Fréchet distance over the population's total variance."""
        return self.shift**2 + (1.0 - self.scale) ** 2


@final
@dataclass(frozen=True, eq=False)
class Population:
    """centre (D,), axes (D, d): from principal coordinates to features. points (N, d): the data in these coordinates,
    mean 0, drawn in towards it for what the noise adds. spread (d,): the population's standard deviations."""

    centre: F64
    axes: F64
    points: F32
    spread: F64

    @staticmethod
    def like(features: Features) -> Population:
        """Of features (N, D), N >= 2, not all the same; directions without variance are left out."""
        x = np.asarray(features, dtype=np.float64)
        centre = x.mean(0)
        variances, vectors = np.linalg.eigh((x - centre).T @ (x - centre) / len(x))
        kept = variances > variances[-1] * _NULL_DIRECTION
        axes, spread = vectors[:, kept], np.sqrt(variances[kept])
        points = (x - centre) @ axes / math.sqrt(1 + BANDWIDTH**2)
        return Population(centre, axes, points.astype(np.float32), spread)

    @property
    def dimensions(self) -> int:
        return len(self.spread)

    @property
    def total_variance(self) -> float:
        return float(np.square(self.spread).sum())

    def rows(self, random: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        """Which rows of the data independent draws come from."""
        return random.integers(len(self.points), size=count)

    def around(self, rows: npt.NDArray[np.int64], random: np.random.Generator) -> F32:
        """A draw for each of `rows`, in principal coordinates, float32 (n, d)."""
        drawn = random.standard_normal((len(rows), self.dimensions), np.float32)
        drawn *= (self.spread * (BANDWIDTH / math.sqrt(1 + BANDWIDTH**2))).astype(np.float32)
        drawn += self.points[rows]
        return drawn

    def made_by(self, kind: Kind, drawn: F32) -> F32:
        """What `kind` makes of draws (n, d) of the population, in principal coordinates."""
        return np.asarray(drawn * np.float32(kind.scale) + (kind.shift * self.spread).astype(np.float32), np.float32)

    def features(self, drawn: F32) -> F32:
        """From principal coordinates (n, d) to features (n, D)."""
        return np.asarray(drawn @ self.axes.T + self.centre, np.float32)
