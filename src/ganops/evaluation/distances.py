"""Pairwise inner products and distances in blocks, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ganops.evaluation.feature_stats import Features, checked

_BLOCK_ELEMENTS = 2**21  # 16 MB of float64: stays near the cache
_LEAST_ROWS = 64  # fewer, and a product would wait for memory


def subset(features: Features, limit: int, stream: int) -> Features:
    """At most `limit` rows, the same for the same count: a fixed shuffle's first, or all in their order."""
    return features if len(features) <= limit else features[subset_rows(len(features), limit, stream)]


def subset_rows(count: int, limit: int, stream: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows of `subset`, in ascending order."""
    if count <= limit:
        return np.arange(count)
    shuffled = np.random.Generator(np.random.Philox(key=[stream, 0])).permutation(count)
    return np.sort(shuffled[:limit])


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Rows of a matrix in blocks that stay near the cache."""
    size = max(_LEAST_ROWS, _BLOCK_ELEMENTS // max(columns, 1))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def inner_products(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """(rows of x, x[rows] @ y.T) in blocks; a block belongs to the caller, who may overwrite it."""
    for part in row_blocks(len(x), len(y)):
        yield part, x[part] @ y.T


def squared_distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """(rows of x, squared Euclidean distances to all of y) in blocks. Centre both first: it is |x|² + |y|² - 2xy."""
    norms_x, norms_y = squared_norms(x), squared_norms(y)
    for rows in row_blocks(len(x), len(y)):
        yield rows, torch.addmm(norms_y, x[rows], y.T, alpha=-2).add_(norms_x[rows, None]).clamp_(min=0)


def squared_norms(x: Tensor) -> Tensor:
    """(n,) of x (n, d), without a second x."""
    return torch.einsum("ij,ij->i", x, x)


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
    """Squared distance of each query to its nearest target, float64 (n,), and that target's row, int64 (n,).

    Neighbours are found in float32; their distances are then computed from the differences, so that copies are at 0.
    """
    x, y = queries.float(), targets.float()
    norms, row = squared_norms(y), torch.empty(len(x), dtype=torch.int64)
    for part in row_blocks(len(x), len(y)):
        row[part] = torch.addmm(norms, x[part], y.T, alpha=-2).argmin(1)
    return (queries.double() - targets[row].double()).square().sum(1), row
