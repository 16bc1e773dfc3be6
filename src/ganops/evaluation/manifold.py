"""Fidelity and variety by nearest neighbours.

precision, recall: Kynkäänniemi et al. 2019; density, coverage: Naeem et al. 2020.
A sample's ball reaches to its k-th nearest neighbour in its own set, itself not counted; a point
lies in a ball when its distance is strictly smaller, as in Naeem et al.'s code.

The standard errors are by subsampling halves (see `subsampling`), which draws balls anew as well as the samples that
are asked: taking balls as given would make the error of a difference 1.1 to 1.3 times too small (simulated). Fewer
images make shares larger, and shares near 1 spread less, so that halves are compared by the arcsines of their roots.

Among more than k equal samples a ball has no radius and holds nothing, not even its like. Where that is so of most
real ones, no figure says anything, and none is a number. Generated ones may repeat as they like: that is collapse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.errors import TooFewImages
from ganops.evaluation.conventions import NEIGHBOURS
from ganops.evaluation.distances import squared_distances, without_self
from ganops.evaluation.estimate import Estimate
from ganops.evaluation.feature_stats import Features, checked, checked_reference, same_width
from ganops.evaluation.subsampling import PARTITIONS, block_figures

MOST_REPEATED = 0.5
"""Share of a reference's samples that may have so many equals as there are neighbours."""
_HALVES = 2


@final
@dataclass(frozen=True, eq=False)
class ManifoldReference:
    """A reference's features, moved to their mean, and its balls' squared radii. repeated: share of its samples that
    have k equals or more."""

    origin: Tensor
    features: Tensor
    radii: Tensor
    repeated: float

    @staticmethod
    def of(features: Features, k: int = NEIGHBOURS) -> ManifoldReference:
        """Raises TooFewImages where there are no k neighbours, ExtractorError where all features are the same."""
        x = checked_reference(features)
        repeated = float(repeated_rows(x.numpy(), k).mean())
        origin = x.mean(0)
        x -= origin
        return ManifoldReference(origin, x, _squared_radii(x, k), repeated)


@final
@dataclass(frozen=True, eq=False)
class Manifold:
    """precision: share of generated samples in a reference ball. density: mean number of reference balls that
    hold a generated sample, by k. recall: share of reference samples in a generated ball. coverage: share of
    reference balls that hold a generated sample. covered: which of the reference's do, bool (m,).

    Not numbers, and None, where more than `MOST_REPEATED` of the reference's samples have k equals or more."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    covered: npt.NDArray[np.bool_] | None


def manifold(generated: Features, reference: ManifoldReference, k: int = NEIGHBOURS) -> Manifold:
    """All four of generated (n, d) against a reference (m, d), in bounded memory.

    Raises:
        TooFewImages: there are no k neighbours, or too few images for an interval.
        IncomparableReports: the features have different widths.
    """
    x, y = checked(generated), reference.features
    same_width(x.shape[1], y.shape[1])
    x -= reference.origin
    if min(len(x), len(y)) // _HALVES <= k:
        raise _too_few(min(len(x), len(y)), k)
    if reference.repeated > MOST_REPEATED:
        nothing = Estimate(math.nan, np.empty(0), np.full(PARTITIONS * _HALVES, math.nan))
        return Manifold(nothing, nothing, nothing, nothing, None)
    around, in_generated_ball, covered = _asked(x, y, _squared_radii(x, k), reference.radii)
    values = _figures(around, in_generated_ball, covered, k)
    x = x.float()  # 50,000 images of 2048 features are 0.8 GB twice as precise, and nothing below needs that

    def of_half(sets: Sequence[Tensor]) -> Sequence[float]:
        fake, real = sets
        found = _figures(*_asked(fake, real, _squared_radii(fake, k), _squared_radii(real, k)), k)
        return [*(math.asin(math.sqrt(share)) for share in found[:3]), found[3]]

    spread = block_figures(of_half, (x, y.float()), _HALVES)
    precision, recall, coverage = (
        Estimate(share, np.empty(0), influence * _slope(share, len(y)))
        for share, influence in zip(values[:3], spread[:3], strict=True)
    )
    density = Estimate(values[3], np.empty(0), spread[3])
    return Manifold(precision, recall, density, coverage, covered.numpy())


def manifold_values(generated: Features, reference: ManifoldReference, k: int = NEIGHBOURS) -> Mapping[str, float]:
    """The values of `manifold` alone: their errors take most of its time.

    Raises:
        TooFewImages: there are no k neighbours.
        IncomparableReports: the features have different widths.
    """
    x, y = checked(generated), reference.features
    same_width(x.shape[1], y.shape[1])
    x -= reference.origin
    found = _figures(*_asked(x, y, _squared_radii(x, k), reference.radii), k)
    return dict(zip(("precision", "recall", "coverage", "density"), found, strict=True))


def repeated_rows(features: Features, k: int = NEIGHBOURS) -> npt.NDArray[np.bool_]:
    """Which of features (n, d) have k equals or more beside themselves, (n,): their balls have no radius."""
    # by their digests: sorting the rows themselves would take three times their memory
    digests = np.array([blake2b(row + 0.0, digest_size=16).digest() for row in features], dtype="V16")  # -0 is 0
    _, which, counts = np.unique(digests, return_inverse=True, return_counts=True)
    return np.asarray(counts[which] > k)


def _slope(share: float, count: int) -> float:
    """Of a share over the arcsine of its root; not quite zero for a share of `count` that happens to be 0 or 1."""
    share = (share * count + 0.5) / (count + 1)
    return 2 * math.sqrt(share * (1 - share))


def _asked(x: Tensor, y: Tensor, radii_x: Tensor, radii_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each x in how many balls of y it lies; for each y whether it lies in a ball of x, and its ball holds one."""
    around = torch.empty(len(x), dtype=torch.float64)
    in_ball_of_x = torch.zeros(len(y), dtype=torch.bool)
    holds_x = torch.zeros(len(y), dtype=torch.bool)
    for rows, block in squared_distances(x, y):
        inside = block < radii_y
        around[rows] = inside.sum(1).double()
        holds_x |= inside.any(0)
        in_ball_of_x |= (block < radii_x[rows, None]).any(0)
    return around, in_ball_of_x, holds_x


def _figures(around: Tensor, in_generated_ball: Tensor, covered: Tensor, k: int) -> tuple[float, float, float, float]:
    """precision, recall, coverage, density."""
    return (
        (around > 0).double().mean().item(),
        in_generated_ball.double().mean().item(),
        covered.double().mean().item(),
        (around / k).mean().item(),
    )


def _squared_radii(x: Tensor, k: int) -> Tensor:
    if len(x) <= k:
        raise _too_few(len(x), k)
    radii = x.new_empty(len(x))
    for rows, block in squared_distances(x, x):
        radii[rows] = without_self(rows, block).topk(k, largest=False).values[:, -1]
    return radii


def _too_few(count: int, k: int) -> TooFewImages:
    least = _HALVES * (k + 1)
    return TooFewImages(
        f"{count} images have no {k} nearest neighbours in either half of them; at least {least} are needed."
    )
