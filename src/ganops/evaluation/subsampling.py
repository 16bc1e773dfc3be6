"""Standard errors where there is no formula: the spread of a figure over small parts of the data.

Subsampling (Politis & Romano 1994): all sets are cut into blocks, in several ways, and the spread of the figure over
blocks, each a fraction of the data, is scaled down by the square root of their number. Everything that the figure is
made of is drawn anew in each block, neighbours and balls too; a bootstrap, which repeats samples, gives each of them
a neighbour at distance zero, and a jackknife overrates figures that jump.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ganops.evaluation.estimate import F64

BLOCKS, PARTITIONS = 10, 10
_STREAM = 3


def block_figures(
    figures: Callable[[Sequence[Tensor]], Sequence[float]], sets: Sequence[Tensor], blocks: int = BLOCKS
) -> F64:
    """Influences of blocks, float64 (q, PARTITIONS * blocks), of the q figures of `sets`, each (n_i, d).

    Their variance over their number is that of the figure of the whole. Two calls with the same last sets, of the
    same counts, cut those alike, so that the influences can be subtracted: the shared sets are then paired.
    `figures` gets sets whose sizes have the ratios of the whole ones; equally large sets stay equally large.
    """
    rows = [_blocks(len(part), number, blocks) for number, part in enumerate(reversed(sets))][::-1]

    def of_block(partition: int, block: int) -> Sequence[float]:
        return figures([part[of[partition][block]] for part, of in zip(sets, rows, strict=True)])

    # (PARTITIONS, blocks, q)
    found = np.array([[of_block(partition, block) for block in range(blocks)] for partition in range(PARTITIONS)])
    # within a partition the blocks are disjoint; over partitions they repeat each other
    spread = found - found.mean(1, keepdims=True)
    bessel = math.sqrt(blocks / (blocks - 1) * (PARTITIONS * blocks - 1) / (PARTITIONS * blocks))
    scaled: F64 = spread * (math.sqrt(PARTITIONS) * bessel)
    return scaled.reshape(PARTITIONS * blocks, -1).T


def _blocks(count: int, number: int, blocks: int) -> list[list[Tensor]]:
    """For each partition the rows of its blocks; the rows depend on the count and the set's place alone."""
    size = count // blocks
    assert size >= 1, "fewer samples than blocks"
    random = np.random.Generator(np.random.Philox(key=[_STREAM, number]))
    orders = [torch.from_numpy(random.permutation(count)) for _ in range(PARTITIONS)]
    return [[order[block * size : (block + 1) * size] for block in range(blocks)] for order in orders]
