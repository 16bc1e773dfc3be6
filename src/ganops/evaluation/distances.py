"""Pairwise inner products and distances in blocks, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ganops.evaluation.feature_stats import Features, checked

_BLOCK_ELEMENTS = 2**21  # 16 MB of float64: stays near the cache


def subset(features: Features, limit: int, stream: int) -> Features:
    """At most `limit` rows, the same for the same count: a fixed shuffle's first, or all in their order."""
    return features if len(features) <= limit else features[subset_rows(len(features), limit, stream)]


def subset_rows(count: int, limit: int, stream: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows of `subset`, in ascending order."""
    if count <= limit:
        return np.arange(count)
    shuffled = np.random.Generator(np.random.Philox(key=[stream, 0])).permutation(count)
    return np.sort(shuffled[:limit])


def inner_products(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """(rows of x, x[rows] @ y.T) in blocks; a block belongs to the caller, who may overwrite it."""
    rows = max(1, _BLOCK_ELEMENTS // max(len(y), 1))
    for start in range(0, len(x), rows):
        part = slice(start, min(start + rows, len(x)))
        yield part, x[part] @ y.T


def squared_distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """(rows of x, squared Euclidean distances to all of y) in blocks. Centre both first: it is |x|² + |y|² - 2xy."""
    norms_x, norms_y = x.square().sum(1), y.square().sum(1)
    for rows, block in inner_products(x, y):
        yield rows, block.mul_(-2).add_(norms_y).add_(norms_x[rows, None]).clamp_(min=0)


def without_self(rows: slice, block: Tensor) -> Tensor:
    """`block` of a set against itself, each sample's distance to itself made infinite."""
    index = torch.arange(rows.stop - rows.start)
    block[index, index + rows.start] = torch.inf
    return block


def centred(reference: Features, *others: Features) -> tuple[Tensor, ...]:
    """All as float64, with the reference's mean as the origin."""
    first = checked(reference)
    origin = first.mean(0)
    return (first - origin, *(checked(other) - origin for other in others))


def nearest(queries: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance of each query to its nearest target, float64 (n,), and that target's row, int64 (n,)."""
    distance = torch.empty(len(queries), dtype=torch.float64)
    row = torch.empty(len(queries), dtype=torch.int64)
    for rows, block in squared_distances(queries, targets):
        distance[rows], row[rows] = block.min(1)
    return distance, row
