"""Whether generated images lie nearer to the training images than they should: all of them a little, or a few by far.

Both questions are asked in `pixels`, which were fitted to nothing, and both are judged against real images that are
in neither set and stand in the generated ones' place: what these show is no memorisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from ganops.evaluation.conventions import COPIES_LOWEST_SHARE
from ganops.evaluation.distances import centred, nearest
from ganops.evaluation.estimate import F64, Estimate
from ganops.evaluation.feature_stats import Features
from ganops.evaluation.offender import Offender
from ganops.evaluation.subsampling import BLOCKS, PARTITIONS, block_figures

MIN_IMAGES = 6 * BLOCKS
LOWEST_COUNT = 5
"""The alarm's percentile is never of fewer real images than so many."""
OFFENDERS = 8
_NONE: F64 = np.empty(0)


@final
@dataclass(frozen=True)
class Copies:
    """share: of generated images nearer to a training image than all but the lowest real images are, less the share
    of the real ones: 0 is honest, 0.02 that two in a hundred are (nearly) copies. offenders: the nearest, worst first.
    """

    share: Estimate
    offenders: tuple[Offender, ...]


def memorisation(generated: Features, train: Features, held_out: Features) -> Estimate:
    """Share of generated images nearer to `train` than to `held_out`, minus that share of real images.

    0 is honest. The held-out images are halved: one half is the set to be near to, beside as many training images,
    the other stands in the generated ones' place; then the halves change roles, and the training images are others.
    All must be in an order that means nothing. Not a number with fewer than `MIN_IMAGES` on a side.

    What it sees is a generator that leans towards its training images. A copier of N images shows no more than s/2N,
    with s of them in use at a time: the larger the training set, the more `copies` is needed beside it.

    The standard error comes of subsampling all sets together (see `subsampling`). A binomial error, which takes the
    two sets to be near to as given, would let an honest generator look guilty in 22 to 43 cases of a hundred.
    """
    size = min(len(train), len(held_out)) // 2
    if min(len(generated), 2 * size) < MIN_IMAGES:
        return Estimate(math.nan, _NONE, np.full(PARTITIONS * BLOCKS, math.nan))
    real, fake, known = centred(held_out, generated, train)
    sets = (fake, known[:size], known[size : 2 * size], real[:size], real[size : 2 * size])
    return Estimate(_excess(sets)[0], _NONE, block_figures(_excess, sets)[0])


def copies(generated: Features, train: Features, held_out: Features) -> Copies:
    """The alarm against partial copying: how many generated images lie in the lowest percentile of real ones.

    Nearness is d_t / (d_t + d_h), of the squared distances to the nearest training and the nearest image of one half
    of `held_out`: a ratio, since plain pictures are near to everything. Its null is the other half in the generated
    ones' place. Given the two sets to be near to, an honest generator's images and these are draws of one
    distribution, so that the rank is free of it, and the binomial errors of both sides are the whole error.

    Not a number with fewer than `MIN_IMAGES` on a side.
    """
    size = len(held_out) // 2
    if min(len(generated), len(train), 2 * size) < MIN_IMAGES:
        return Copies(Estimate(math.nan, _NONE, np.full(1, math.nan)), ())
    real, fake, known = centred(held_out, generated, train)
    ours, rows = _nearness(fake, known, real[:size])
    null, _ = _nearness(real[size:], known, real[:size])
    lowest = max(LOWEST_COUNT, round(COPIES_LOWEST_SHARE * len(null)))
    threshold = null.sort().values[lowest - 1]
    low, null_low = (ours <= threshold).double(), (null <= threshold).double()
    share = Estimate((low.mean() - null_low.mean()).item(), low.numpy(), null_low.numpy())
    worst = ours.argsort(stable=True)[:OFFENDERS].tolist()
    return Copies(share, tuple(Offender(row, int(rows[row]), float(ours[row])) for row in worst))


def _excess(sets: Sequence[Tensor]) -> tuple[float]:
    fake, first_train, second_train, first, second = sets
    folds = ((first_train, first, second), (second_train, second, first))
    ours, null = (
        [_share_nearer(queries, known, real) for known, real, queries in chosen]
        for chosen in ([(known, real, fake) for known, real, _ in folds], folds)
    )
    return (float(np.mean(ours) - np.mean(null)),)


def _share_nearer(queries: Tensor, first: Tensor, second: Tensor) -> float:
    """Share of queries nearer to the first set, ties counted half."""
    ours, theirs = nearest(queries, first)[0], nearest(queries, second)[0]
    return ((ours < theirs).double() + (ours == theirs).double() / 2).mean().item()


def _nearness(queries: Tensor, train: Tensor, held_out: Tensor) -> tuple[Tensor, Tensor]:
    """0…1 for each query, and its nearest training row; where it is a copy of both, neither is to blame: 1/2."""
    to_train, rows = nearest(queries, train)
    to_held_out, _ = nearest(queries, held_out)
    whole = to_train + to_held_out
    return torch.where(whole > 0, to_train / whole.clamp(min=torch.finfo(whole.dtype).tiny), 0.5), rows
