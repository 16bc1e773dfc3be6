"""The kernel distance (KID, Bińkowski et al. 2018): squared MMD with the kernel (x·y/d + 1)³, unbiased.

The full-sample U-statistic, no subsets. Its first-order influences give the standard error, and,
paired on the shared reference, that of the difference of two models (the relative MMD test of
Bounliphone et al. 2016). Not valid where a model equals the reference exactly: there the first
order vanishes, and the interval is too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ganops.evaluation.distances import inner_products
from ganops.evaluation.estimate import Estimate
from ganops.evaluation.feature_stats import Features, checked

DEGREE = 3


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
        x = checked(features)
        own, diagonal = _own_means(x)
        return KernelReference(x, own, float((diagonal.mean() - own.mean()).item()))


def kid(generated: Features, reference: KernelReference) -> Estimate:
    """Unbiased squared MMD between generated (n, d) and the reference; can be slightly negative."""
    x, y = checked(generated), reference.features
    assert x.shape[1] == y.shape[1], "features of different widths"
    own, _ = _own_means(x)
    across_x, across_y = torch.empty(len(x), dtype=torch.float64), torch.zeros(len(y), dtype=torch.float64)
    for rows, block in inner_products(x, y):
        kernel = _kernel(block, x.shape[1])
        across_x[rows] = kernel.mean(1)
        across_y += kernel.sum(0)
    across_y /= len(x)
    value = own.mean() + reference.own.mean() - 2 * across_x.mean()
    on_generated, on_reference = 2 * (own - across_x), 2 * (reference.own - across_y)
    return Estimate(float(value.item()), on_generated.numpy(), on_reference.numpy())


def kernel_distance(generated: Features, reference: KernelReference) -> Estimate:
    """`kid` in units of the reference's spread: 0 is the reference itself, 1 is one image for ever.

    KID alone has a unit that depends on the extractor, so that no margin would fit two data sets.
    """
    return scaled(kid(generated, reference), reference)


def scaled(estimate: Estimate, reference: KernelReference) -> Estimate:
    """A `kid` in units of the reference's spread, which is taken as exact: it is the same for every model."""
    unit = reference.spread if reference.spread > 0 else np.nan
    return Estimate(estimate.value / unit, estimate.generated / unit, estimate.reference / unit)


def _own_means(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample's mean kernel value with all others, and with itself."""
    diagonal = _kernel(x.square().sum(1), x.shape[1])
    sums = torch.empty(len(x), dtype=torch.float64)
    for rows, block in inner_products(x, x):
        sums[rows] = _kernel(block, x.shape[1]).sum(1)
    return (sums - diagonal) / (len(x) - 1), diagonal


def _kernel(products: Tensor, dimensions: int) -> Tensor:
    base = products.div_(dimensions).add_(1)
    return base.square().mul_(base)
