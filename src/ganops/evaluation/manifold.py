"""Fidelity and variety by nearest neighbours.

precision, recall: Kynkäänniemi et al. 2019; density, coverage: Naeem et al. 2020.
A sample's ball reaches to its k-th nearest neighbour in its own set, itself not counted; a point
lies in a ball when its distance is strictly smaller, as in Naeem et al.'s code.

The standard errors take balls as given: they count which samples were drawn to be asked, and not
that other balls might have been drawn (simulated: the true spread of a difference is 1.1 to 1.3 times that).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ganops.errors import TooFewImages
from ganops.evaluation.distances import squared_distances, without_self
from ganops.evaluation.estimate import F64, Estimate
from ganops.evaluation.feature_stats import Features, checked

NEIGHBOURS = 5
_NONE: F64 = np.empty(0)


@final
@dataclass(frozen=True, eq=False)
class ManifoldReference:
    """A reference's features, moved to their mean, and its balls' squared radii."""

    origin: Tensor
    features: Tensor
    radii: Tensor

    @staticmethod
    def of(features: Features, k: int = NEIGHBOURS) -> ManifoldReference:
        """Raises TooFewImages where there are no k neighbours."""
        x = checked(features)
        origin = x.mean(0)
        return ManifoldReference(origin, x - origin, _squared_radii(x - origin, k))


@final
@dataclass(frozen=True)
class Manifold:
    """precision: share of generated samples in a reference ball. density: mean number of reference balls that
    hold a generated sample, by k. recall: share of reference samples in a generated ball. coverage: share of
    reference balls that hold a generated sample."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def manifold(generated: Features, reference: ManifoldReference, k: int = NEIGHBOURS) -> Manifold:
    """All four of generated (n, d) against a reference (m, d), in bounded memory.

    Raises:
        TooFewImages: there are no k neighbours.
    """
    x = checked(generated) - reference.origin
    radii = _squared_radii(x, k)
    balls_around = torch.empty(len(x), dtype=torch.float64)
    in_generated_ball = torch.zeros(len(reference.features), dtype=torch.bool)
    holds_generated = torch.zeros(len(reference.features), dtype=torch.bool)
    for rows, block in squared_distances(x, reference.features):
        inside = block < reference.radii
        balls_around[rows] = inside.sum(1).double()
        holds_generated |= inside.any(0)
        in_generated_ball |= (block < radii[rows, None]).any(0)
    return Manifold(
        precision=_mean_over_generated(balls_around > 0),
        recall=_mean_over_reference(in_generated_ball),
        density=_mean_over_generated(balls_around / k),
        coverage=_mean_over_reference(holds_generated),
    )


def _squared_radii(x: Tensor, k: int) -> Tensor:
    if len(x) <= k:
        raise TooFewImages(f"{len(x)} images have no {k} nearest neighbours; at least {k + 1} are needed.")
    radii = torch.empty(len(x), dtype=torch.float64)
    for rows, block in squared_distances(x, x):
        radii[rows] = without_self(rows, block).topk(k, largest=False).values[:, -1]
    return radii


def _mean_over_generated(values: Tensor) -> Estimate:
    return Estimate(values.double().mean().item(), values.double().numpy(), _NONE)


def _mean_over_reference(values: Tensor) -> Estimate:
    return Estimate(values.double().mean().item(), _NONE, values.double().numpy())
