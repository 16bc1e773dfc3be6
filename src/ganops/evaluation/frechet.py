"""The Fréchet distance between two feature distributions, taken as Gaussians, and how sure it is.

FD = |μ_a - μ_b|² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½)     (Heusel et al. 2017, eq. 6; Dowson & Landau 1982)

All in float64. The square root's trace comes of a symmetric eigendecomposition, or, with fewer
samples than dimensions, of the singular values of the centred samples' cross product: both stay
real and finite for singular covariances, where a general matrix square root does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.errors import ExtractorError
from ganops.evaluation.estimate import F64, Estimate

Features = npt.NDArray[np.floating]
"""(N, d), float32 or float64, finite."""

_NULL_DIRECTION = 1e-12  # of the largest eigenvalue: below, a direction holds rounding errors and no data


@final
@dataclass(frozen=True, eq=False)
class FeatureStats:
    """Mean (d,) and unbiased covariance (d, d) of `num_images` feature vectors, float64."""

    mu: F64
    sigma: F64
    num_images: int

    @staticmethod
    def from_features(features: Features) -> FeatureStats:
        """Of features (N, d), N >= 2.

        Raises:
            ExtractorError: a feature is not finite, or there are fewer than two images.
        """
        x = checked(features)
        mu = x.mean(0)
        centred = x - mu
        return FeatureStats(mu.numpy(), (centred.T @ centred / (len(x) - 1)).numpy(), len(x))

    @staticmethod
    def from_batches(batches: Iterable[Features]) -> FeatureStats:
        """Of batches (n_i, d), each n_i >= 2, one at a time: memory does not grow with N."""
        total: FeatureStats | None = None
        for batch in batches:
            stats = FeatureStats.from_features(batch)
            total = stats if total is None else total.merged(stats)
        assert total is not None, "no batches"
        return total

    def merged(self, other: FeatureStats) -> FeatureStats:
        """Of both sets together (Chan, Golub & LeVeque 1979)."""
        n, m = self.num_images, other.num_images
        step = other.mu - self.mu
        scatter = (n - 1) * self.sigma + (m - 1) * other.sigma + n * m / (n + m) * np.outer(step, step)
        return FeatureStats(self.mu + step * (m / (n + m)), scatter / (n + m - 1), n + m)


def frechet_distance(a: FeatureStats, b: FeatureStats) -> float:
    """The plain Fréchet distance, as the literature reports it: biased upward, see `fd_star`."""
    assert a.mu.shape == b.mu.shape, f"features of different widths: {a.mu.shape} and {b.mu.shape}"
    root, _ = _root_and_whitening(torch.from_numpy(a.sigma))
    inner = root.T @ torch.from_numpy(b.sigma) @ root  # as an eigenproblem like Σ_a Σ_b, but symmetric
    cross = torch.linalg.eigvalsh(inner).clamp(min=0).sqrt().sum().item()
    return _assemble(a, b, cross)


def frechet_distance_of(a: Features, b: Features) -> float:
    """The plain Fréchet distance between two sets of features (N, d) and (M, d)."""
    x, y = checked(a), checked(b)
    if len(x) >= x.shape[1] or len(y) >= y.shape[1]:
        return frechet_distance(FeatureStats.from_features(a), FeatureStats.from_features(b))
    # N < d: tr (Σ_a Σ_b)^½ is the nuclear norm of the centred samples' cross product, an N x M matrix
    x, y = x - x.mean(0), y - y.mean(0)
    cross = torch.linalg.svdvals(x @ y.T).sum().item() / ((len(x) - 1) * (len(y) - 1)) ** 0.5
    trace = x.square().sum().item() / (len(x) - 1) + y.square().sum().item() / (len(y) - 1)
    mean_a, mean_b = checked(a).mean(0), checked(b).mean(0)
    return float((mean_a - mean_b).square().sum().item() + trace - 2.0 * cross)


def fd_star(generated: Features, reference: Features) -> Estimate:
    """FD* = 2·FD(n, m) - mean of FD over two disjoint halves (n/2, m/2), with influences.

    One step of Richardson extrapolation in 1/n: removes the leading bias of the plain distance, which
    depends on the generator and so does not cancel between two of them. It can be slightly negative.
    Generated samples are halved by interleaving (they are independent draws), reference samples by a
    fixed shuffle (they may lie sorted). The first-order influences are those of the plain distance.
    """
    if min(len(generated), len(reference)) < 4:
        raise ExtractorError("A Fréchet distance with an interval needs at least four images on either side.")
    x, y = np.asarray(generated), np.asarray(reference)
    whole = frechet_distance_of(x, y)
    order = np.random.Generator(np.random.Philox(key=0)).permutation(len(y))
    halves = [frechet_distance_of(x[part::2], y[order[part::2]]) for part in (0, 1)]
    on_generated, on_reference = influences(x, y)
    return Estimate(2.0 * whole - (halves[0] + halves[1]) / 2.0, on_generated, on_reference)


def influences(generated: Features, reference: Features) -> tuple[F64, F64]:
    """Influence of each generated (n,) and each reference (m,) sample on the Fréchet distance.

    With T the optimal-transport map from the generated Gaussian to the reference's:
    IF(x) = 2(μ - μ_r)·(x - μ) + (x - μ)ᵀ(I - T)(x - μ), centred; for the reference with roles swapped.
    """
    x, y = checked(generated), checked(reference)
    a, b = FeatureStats.from_features(generated), FeatureStats.from_features(reference)
    step = torch.from_numpy(a.mu - b.mu)
    sigma_a, sigma_b = torch.from_numpy(a.sigma), torch.from_numpy(b.sigma)
    return _influence(x - x.mean(0), step, sigma_a, sigma_b), _influence(y - y.mean(0), -step, sigma_b, sigma_a)


def _influence(centred: Tensor, step: Tensor, own: Tensor, other: Tensor) -> F64:
    """T = own^-½ (own^½ other own^½)^½ own^-½, applied by whitening: stable where `own` is singular."""
    root, whitening = _root_and_whitening(own)
    middle = _square_root(root.T @ other @ root)
    white = centred @ whitening
    quadratic = centred.square().sum(1) - ((white @ middle) * white).sum(1)
    influence = 2.0 * (centred @ step) + quadratic
    return np.asarray((influence - influence.mean()).numpy(), dtype=np.float64)


def _root_and_whitening(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """R with R Rᵀ = Σ and W with Wᵀ Σ W = I, both (d, rank), in the same basis."""
    values, vectors = torch.linalg.eigh(sigma)
    kept = values > max(values[-1].item(), 0.0) * _NULL_DIRECTION
    values, vectors = values[kept], vectors[:, kept]
    return vectors * values.sqrt(), vectors / values.sqrt()


def _square_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root


def _assemble(a: FeatureStats, b: FeatureStats, cross: float) -> float:
    return float(np.square(a.mu - b.mu).sum() + np.trace(a.sigma) + np.trace(b.sigma) - 2.0 * cross)


def checked(features: Features) -> Tensor:
    """float64 (N, d), or an `ExtractorError` that says what is wrong."""
    assert features.ndim == 2, f"features must be (N, d), not {features.shape}"
    if len(features) < 2:
        raise ExtractorError(f"Features of {len(features)} images have no covariance: at least two are needed.")
    x = torch.from_numpy(np.array(features, dtype=np.float64))
    if not torch.isfinite(x).all():
        raise ExtractorError("A feature is not a finite number: the extractor or the images are damaged.")
    return x
