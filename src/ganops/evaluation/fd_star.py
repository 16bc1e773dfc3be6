"""FD*: the Fréchet distance without its leading bias, and how sure it is.

FD* = 2·FD(n, m) - mean of FD over two disjoint halves (n/2, m/2): one step of Richardson extrapolation in 1/n.
The plain distance is biased upward by an amount that depends on the generator, so that equal counts do not make
two of them comparable (Chong & Forsyth 2020 show the bias; they extrapolate by a fit over many counts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ganops.errors import ExtractorError
from ganops.evaluation.estimate import F64, Estimate
from ganops.evaluation.feature_stats import Features, checked, checked_reference
from ganops.evaluation.frechet import frechet_distance_of, root_and_whitening, solvable, unit_factor

_NULL_ROOT = 1e-6  # of the largest: the root of what `root_and_whitening` drops


@final
@dataclass(frozen=True)
class FrechetEstimates:
    """plain: FD(n, m) as the literature reports it. star: FD*. Both with influences."""

    plain: Estimate
    star: Estimate


def fd_star(generated: Features, reference: Features) -> Estimate:
    """FD* of generated (n, d) against a reference (m, d); it can be slightly negative. See `frechet_estimates`."""
    return frechet_estimates(generated, reference).star


def frechet_estimates(generated: Features, reference: Features) -> FrechetEstimates:
    """FD and FD* of generated (n, d) against a reference (m, d), with the samples' influences.

    Generated samples are halved by interleaving (they are independent draws), reference samples by a
    fixed shuffle (they may lie sorted).

    Raises:
        ExtractorError: a feature is not finite, a side has fewer than four images, or the reference does not vary.
        IncomparableReports: the features have different widths.
    """
    if min(len(generated), len(reference)) < 4:
        raise ExtractorError("A Fréchet distance with an interval needs at least four images on either side.")
    checked_reference(reference)
    x, y = np.asarray(generated), np.asarray(reference)
    whole = frechet_distance_of(x, y)
    order = np.random.Generator(np.random.Philox(key=0)).permutation(len(y))
    halves = [frechet_distance_of(x[part::2], y[order[part::2]]) for part in (0, 1)]
    on_generated, on_reference = influences(x, y)
    star = 2.0 * whole - (halves[0] + halves[1]) / 2.0
    return FrechetEstimates(Estimate(whole, on_generated, on_reference), Estimate(star, on_generated, on_reference))


def influences(generated: Features, reference: Features) -> tuple[F64, F64]:
    """Influence of each generated (n,) and each reference (m,) sample on the Fréchet distance.

    With T the optimal-transport map from the generated Gaussian to the reference's:
    IF(x) = 2(μ - μ_r)·(x - μ) + (x - μ)ᵀ(I - T)(x - μ), centred; for the reference with roles swapped.
    """
    x, y = checked(generated), checked(reference)
    step = x.mean(0) - y.mean(0)
    a, b = unit_factor(x), unit_factor(y)
    with solvable():
        few = max(a.shape[0], b.shape[0]) <= a.shape[1]
        carried_x, carried_y = (_carried_by_samples if few else _carried_by_covariances)(a, b)
    return (
        _influence(x - x.mean(0), step, carried_x * (len(x) - 1)),
        _influence(y - y.mean(0), -step, carried_y * (len(y) - 1)),
    )


def _influence(centred: Tensor, step: Tensor, carried: Tensor) -> F64:
    influence = 2.0 * (centred @ step) + centred.square().sum(1) - carried
    return np.asarray((influence - influence.mean()).numpy(), dtype=np.float64)


def _carried_by_samples(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """xᵀTx of each row of the factors a (n, d) and b (m, d), n and m <= d: with a bᵀ = U S Vᵀ, the map that carries
    Aᵀ to Bᵀ V Uᵀ, so that all of it is the diagonal of U S Uᵀ."""
    u, s, vh = torch.linalg.svd(a @ b.T, full_matrices=False)
    return (u.square() * s).sum(1), (vh.square() * s[:, None]).sum(0)


def _carried_by_covariances(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The same with R Rᵀ = Σ_a, W its inverse and M = (Rᵀ Σ_b R)^½: T = W M Wᵀ there, and R M⁻¹ Rᵀ back."""
    root, whitening = root_and_whitening(a.T @ a)
    squares, vectors = torch.linalg.eigh(root.T @ (b.T @ b) @ root)
    values = squares.clamp(min=0).sqrt()
    there = ((a @ (whitening @ vectors)).square() * values).sum(1)
    kept = values > values.max() * _NULL_ROOT if len(values) else values > 0
    back = ((b @ (root @ vectors[:, kept])).square() / values[kept]).sum(1)
    return there, back
