"""The kernel distance (KID, Bińkowski et al. 2018): squared MMD with the kernel (x·y/d + 1)³, unbiased.

The full-sample U-statistic, and the mean over subsets as the literature has it. First-order influences give the
standard error, and, paired on the shared reference, that of the difference of two models (the relative MMD test of
Bounliphone et al. 2016). Not valid where a model equals the reference exactly: there the first order vanishes, and
the interval is too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ganops.evaluation.conventions import KID_SUBSET_SEED, KID_SUBSET_SIZE, KID_SUBSETS
from ganops.evaluation.distances import inner_products, squared_norms
from ganops.evaluation.estimate import F64, Estimate
from ganops.evaluation.feature_stats import Features, checked, checked_reference, same_width

_ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Of the mean kernel value: a figure below it may be rounding alone. Against longer floats, figures were off by at
most 3 eps of that value (4 to 512 features, means of 1 to 10⁸ at a spread of 1)."""


@final
@dataclass(frozen=True, eq=False)
class KernelReference:
    """A reference's features with their kernel sums, so that several models share them.

    features: float64 (m, d).
    own: float64 (m,), mean kernel value of each sample with all others.
    spread: mean k(r, r) - mean k(r, r'): the expected kernel distance of a generator that makes
        one and the same real image for ever. The unit of `kernel_distance`.
    """

    features: Tensor
    own: Tensor
    spread: float

    @staticmethod
    def of(features: Features) -> KernelReference:
        x = checked_reference(features)
        own, diagonal = _own_means(x)
        return KernelReference(x, own, float((diagonal.mean() - own.mean()).item()))


def kid(generated: Features, reference: KernelReference) -> Estimate:
    """Unbiased squared MMD between generated (n, d) and the reference; can be slightly negative.

    Not a number where rounding may be as large: far from 0 the kernel's values are huge and their difference is not.

    Raises:
        ExtractorError: a feature is not finite, or there are fewer than two images.
        IncomparableReports: the features have different widths.
    """
    x, y = checked(generated), reference.features
    same_width(x.shape[1], y.shape[1])
    own, _ = _own_means(x)
    across_x, across_y = torch.empty(len(x), dtype=torch.float64), torch.zeros(len(y), dtype=torch.float64)
    for rows, block in inner_products(x, y):
        kernel = _kernel(block, x.shape[1])
        across_x[rows] = kernel.mean(1)
        across_y += kernel.sum(0)
    across_y /= len(x)
    value = own.mean() + reference.own.mean() - 2 * across_x.mean()
    on_generated, on_reference = 2 * (own - across_x), 2 * (reference.own - across_y)
    return _told(Estimate(float(value.item()), on_generated.numpy(), on_reference.numpy()), x, y)


def kid_subsets(
    whole: Estimate,
    generated: Features,
    reference: Features,
    subsets: int = KID_SUBSETS,
    size: int = KID_SUBSET_SIZE,
    seed: int = KID_SUBSET_SEED,
) -> Estimate:
    """The mean of `kid` over `subsets` pairs of subsets, each of `size` images of either side drawn without
    replacement by NumPy's legacy generator from `seed`: torch-fidelity's protocol and numbers.

    whole: `kid` of the same two sets. An image counts as often as it was drawn, so its influence is that times as
    large, which adds the spread that comes of drawing subsets. Not a number where `kid` would not be.
    """
    x, y = checked(generated), checked(reference)
    same_width(x.shape[1], y.shape[1])
    size = min(size, len(x), len(y))
    random = np.random.RandomState(seed)
    drawn_x, drawn_y = (torch.zeros(len(side), subsets, dtype=torch.float64) for side in (x, y))
    for subset in range(subsets):
        drawn_x[torch.from_numpy(random.choice(len(x), size, replace=False)), subset] = 1
        drawn_y[torch.from_numpy(random.choice(len(y), size, replace=False)), subset] = 1
    own_x, own_y = (
        (_subset_sums(side, side, drawn, drawn) - _diagonal(side) @ drawn) / (size * (size - 1))
        for side, drawn in ((x, drawn_x), (y, drawn_y))
    )
    values = own_x + own_y - 2 * _subset_sums(x, y, drawn_x, drawn_y) / size**2
    on_generated, on_reference = _weighted(whole.generated, drawn_x), _weighted(whole.reference, drawn_y)
    return _told(Estimate(float(values.mean().item()), on_generated, on_reference), x, y)


def kernel_distance(generated: Features, reference: KernelReference) -> Estimate:
    """`kid` in units of the reference's spread: 0 is the reference itself, 1 is one image for ever.

    KID alone has a unit that depends on the extractor, so that no margin would fit two data sets.
    """
    return scaled(kid(generated, reference), reference)


def scaled(estimate: Estimate, reference: KernelReference) -> Estimate:
    """A `kid` in units of the reference's spread, which is taken as exact: it is the same for every model."""
    unit = reference.spread if reference.spread > 0 else np.nan
    return Estimate(estimate.value / unit, estimate.generated / unit, estimate.reference / unit)


def _told(estimate: Estimate, x: Tensor, y: Tensor) -> Estimate:
    """The estimate, or not a number where it cannot be told from rounding."""
    # |k(x, y)| is at most √k(x, x) √k(y, y): of their means, so that one outlier does not stand for all
    size = max(float(_diagonal(side).sqrt().mean()) ** 2 for side in (x, y))
    if abs(estimate.value) > _ROUNDING * size:
        return estimate
    return Estimate(np.nan, estimate.generated * np.nan, estimate.reference * np.nan)


def _weighted(influences: F64, drawn: Tensor) -> F64:
    times = drawn.sum(1).numpy()
    weighted: F64 = (influences - influences.mean()) * (times / times.mean())
    return weighted


def _subset_sums(x: Tensor, y: Tensor, drawn_x: Tensor, drawn_y: Tensor) -> Tensor:
    """Sums of the kernel over each pair of subsets, (subsets,); drawn: (n, subsets), 1 for members and 0 else."""
    sums = torch.zeros(drawn_x.shape[1], dtype=torch.float64)
    for rows, block in inner_products(x, y):
        sums += (drawn_x[rows] * (_kernel(block, x.shape[1]) @ drawn_y)).sum(0)
    return sums


def _own_means(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample's mean kernel value with all others, and with itself."""
    diagonal = _diagonal(x)
    sums = torch.empty(len(x), dtype=torch.float64)
    for rows, block in inner_products(x, x):
        sums[rows] = _kernel(block, x.shape[1]).sum(1)
    return (sums - diagonal) / (len(x) - 1), diagonal


def _diagonal(x: Tensor) -> Tensor:
    return _kernel(squared_norms(x), x.shape[1])


def _kernel(products: Tensor, dimensions: int) -> Tensor:
    base = products.div_(dimensions).add_(1)
    return base.square().mul_(base)
