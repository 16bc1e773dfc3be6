"""The Fréchet distance between two feature distributions, taken as Gaussians.

FD = |μ_a - μ_b|² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½)     (Heusel et al. 2017, eq. 6; Dowson & Landau 1982)

All in float64. With any A Aᵀ = Σ_a and B Bᵀ = Σ_b the last trace is the nuclear norm of Aᵀ B, and its
squares are the eigenvalues of the symmetric Aᵀ Σ_b A: real, finite and cheap, also where a covariance is
singular and the root of the product Σ_a Σ_b, which is not symmetric, is none of these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ganops.errors import ExtractorError
from ganops.evaluation.feature_stats import TOO_LARGE, Features, checked, same_width
from ganops.evaluation.feature_stats import FeatureStats as FeatureStats

_NULL_DIRECTION = 1e-12  # of the largest eigenvalue: below, a direction holds rounding errors and no data
_SQUARED = 1e-10  # of the largest squared singular value: above, the smallest keeps six digits at least


def frechet_distance(a: FeatureStats, b: FeatureStats) -> float:
    """The plain Fréchet distance, as the literature reports it: biased upward, see `fd_star`.

    Raises:
        IncomparableReports: the features have different widths.
        ExtractorError: neither side varies, or one is not finite.
    """
    same_width(len(a.mu), len(b.mu))
    if not all(np.isfinite(part).all() for side in (a, b) for part in (side.mu, side.sigma)):
        raise _no_answer("a mean or a covariance is not finite")
    fewer, more = (a, b) if a.num_images <= b.num_images else (b, a)
    with solvable():
        root = _factor(torch.from_numpy(fewer.sigma), fewer.num_images)
        cross = _root_trace(root, torch.from_numpy(more.sigma))
    step = torch.from_numpy(a.mu - b.mu)
    trace = torch.from_numpy(a.sigma).trace() + torch.from_numpy(b.sigma).trace()
    return _assembled(step, trace, cross)


def frechet_distance_of(a: Features, b: Features) -> float:
    """The plain Fréchet distance between two sets of features (N, d) and (M, d).

    Raises:
        ExtractorError: a feature is not finite, there are fewer than two images, or neither side varies.
        IncomparableReports: the features have different widths.
    """
    x, y = (checked(a), checked(b)) if len(a) <= len(b) else (checked(b), checked(a))
    same_width(x.shape[1], y.shape[1])
    if len(x) > x.shape[1]:
        return frechet_distance(FeatureStats.from_features(a), FeatureStats.from_features(b))
    # fewer samples than dimensions: the centred samples are themselves a factor of their covariance
    step = x.mean(0) - y.mean(0)
    x, y = unit_factor(x), unit_factor(y)
    trace = x.square().sum() + y.square().sum()
    small = len(y) <= y.shape[1]
    with solvable():
        cross = _nuclear_norm(x @ y.T) if small else _root_trace(x.T, y.T @ y)
    return _assembled(step, trace, cross)


@contextmanager
def solvable() -> Iterator[None]:
    """A decomposition that finds no answer is about the features: an `ExtractorError`."""
    try:
        yield
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # documented there
        raise _no_answer(error) from None


def unit_factor(x: Tensor) -> Tensor:
    """F (N, d) with Fᵀ F = the unbiased covariance of x (N, d)."""
    return (x - x.mean(0)).div_(math.sqrt(len(x) - 1))


def root_and_whitening(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """R with R Rᵀ = Σ and W with Wᵀ Σ W = I, both (d, rank), in the same basis."""
    values, vectors = torch.linalg.eigh(sigma)
    kept = values > max(values[-1].item(), 0.0) * _NULL_DIRECTION
    values, vectors = values[kept], vectors[:, kept]
    return vectors * values.sqrt(), vectors / values.sqrt()


def _factor(sigma: Tensor, num_images: int) -> Tensor:
    """A with A Aᵀ = Σ: Cholesky's where Σ is well inside the positive cone, else by eigenvectors, ten times slower."""
    if num_images > len(sigma):
        triangular: Tensor
        triangular, info = torch.linalg.cholesky_ex(sigma)
        pivots = triangular.diagonal().square()
        if info.item() == 0 and pivots.min() > pivots.max() * _NULL_DIRECTION:
            return triangular
    return root_and_whitening(sigma)[0]


def _root_trace(factor: Tensor, sigma: Tensor) -> Tensor:
    """tr (F Fᵀ Σ)^½."""
    squares: Tensor = torch.linalg.eigvalsh(factor.T @ sigma @ factor)
    return squares.clamp(min=0).sqrt().sum()


def _nuclear_norm(products: Tensor) -> Tensor:
    """Sum of the singular values of two centred samples' inner products (n, m), n <= m.

    By the eigenvalues of products · productsᵀ, their squares, in a third of the time that the singular values
    themselves take, unless some are so much smaller than others that squaring would cost digits. Centring leaves one
    square that is 0, along (1, …, 1): it is put among the others, and its root taken off again.
    """
    gram = products @ products.T
    among = gram.diagonal().mean()
    squares: Tensor = torch.linalg.eigvalsh(gram + among / len(gram))
    singular: Tensor
    if squares[0] > squares[-1] * _SQUARED:
        singular = squares.sqrt().sum() - among.sqrt()
    else:
        singular = torch.linalg.svdvals(products).sum()
    return singular


def _assembled(step: Tensor, trace: Tensor, cross: Tensor) -> float:
    if not trace > 0:
        raise ExtractorError(
            "All features are the same on both sides: the extractor sees no difference between any two images, and "
            "a distance in it means nothing. Check the images and the extractor."
        )
    distance = float(step.square().sum() + trace - 2.0 * cross)
    if not math.isfinite(distance):
        raise _no_answer("the distance is not finite")
    return max(distance, 0.0)  # below it by rounding alone


def _no_answer(why: object) -> ExtractorError:
    return ExtractorError(
        f"There is no Fréchet distance between these features ({why}): they may be {TOO_LARGE}. Look at what they were "
        "computed with, or divide those of both sides by the same number."
    )
