"""Whether generated images lie nearer to the training images than they should.

Of an equal number of training and held-out images, which is nearer? A generator that learnt the
distribution lies nearer to either as often as a fresh real image does; one that copies lies nearer
to the training images. The null is measured, not assumed to be a half: the extractor was itself
fitted to the training images. In the generated images' place stand the held-out ones, each left
out of its own set (and one training image left out against it, to keep the numbers equal).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ganops.evaluation.distances import centred, squared_distances, without_self
from ganops.evaluation.estimate import F64, Estimate
from ganops.evaluation.feature_stats import Features

BLOCKS, PARTITIONS = 10, 10
MIN_IMAGES = 5 * BLOCKS


def memorisation(generated: Features, train: Features, held_out: Features) -> Estimate:
    """Share of generated images nearer to `train` than to `held_out`, minus that share of real images.

    0 is honest, 1 minus the null is a perfect copier. `train` and `held_out` must be of one size and
    in an order that means nothing. Not a number with fewer than `MIN_IMAGES` on a side.

    The standard error comes of subsampling (Politis & Romano 1994): all three sets are cut into BLOCKS
    blocks, in PARTITIONS ways, and the spread over blocks, each a tenth of the data, is scaled down. A
    binomial error, which takes the two sets as given, would let an honest generator look guilty too
    often; a jackknife, for nearest neighbours are not smooth, would make it 1.7 times too large.
    The influences are the blocks' figures, (PARTITIONS * BLOCKS,), in `reference`: paired between models.
    """
    assert len(train) == len(held_out), "training and held-out images must be equally many"
    if min(len(generated), len(held_out)) < MIN_IMAGES:
        return Estimate(math.nan, np.empty(0), np.full(PARTITIONS * BLOCKS, math.nan))
    real, fake, known = centred(held_out, generated, train)
    return Estimate(_excess(fake, known, real), np.empty(0), _block_figures(fake, known, real))


def _excess(fake: Tensor, known: Tensor, real: Tensor) -> float:
    ours = _nearest(fake, known, False), _nearest(fake, real, False)
    null = _nearest(real, known, True), _nearest(real, real, True)
    return _share_of_first(*ours) - _share_of_first(*null)


def _block_figures(fake: Tensor, known: Tensor, real: Tensor) -> F64:
    """`_excess` within each block, scaled so that their variance over their number is the whole's variance."""
    random = np.random.Generator(np.random.Philox(key=[3, 0]))
    figures = np.empty((PARTITIONS, BLOCKS))
    for partition in range(PARTITIONS):
        orders = [torch.from_numpy(random.permutation(len(part))) for part in (fake, known, real)]
        for block in range(BLOCKS):
            size = len(real) // BLOCKS
            rows = slice(block * size, (block + 1) * size)
            figures[partition, block] = _excess(
                fake[orders[0][block::BLOCKS]], known[orders[1][rows]], real[orders[2][rows]]
            )
    # within a partition the blocks are disjoint; over partitions they repeat each other
    spread = figures - figures.mean(1, keepdims=True)
    bessel = math.sqrt(BLOCKS / (BLOCKS - 1) * (PARTITIONS * BLOCKS - 1) / (PARTITIONS * BLOCKS))
    scaled: F64 = spread * (math.sqrt(PARTITIONS) * bessel)
    return scaled.reshape(-1)


def _nearest(queries: Tensor, targets: Tensor, skip_own_index: bool) -> Tensor:
    """Squared distance of each query to its nearest target."""
    nearest = torch.empty(len(queries), dtype=torch.float64)
    for rows, block in squared_distances(queries, targets):
        nearest[rows] = (without_self(rows, block) if skip_own_index else block).amin(1)
    return nearest


def _share_of_first(first: Tensor, second: Tensor) -> float:
    """Share of queries nearer to the first set, ties counted half."""
    return ((first < second).double() + (first == second).double() / 2).mean().item()
