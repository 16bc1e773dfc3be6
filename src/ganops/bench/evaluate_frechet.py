"""The Fréchet step in 2048 dimensions, beside a general square root of the covariances' product and its eigenvalues.

Both references are given the covariances, so that what is timed of them is the step alone.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from ganops.bench.rows import Row, Target, Timed, in_turns, relative
from ganops.evaluation.feature_stats import FeatureMoments, FeatureStats
from ganops.evaluation.frechet import frechet_distance, frechet_distance_of

PART = "Fréchet"
COUNTS, DIMENSIONS = (1_000, 10_000, 50_000), 2048
FROM_FEATURES, FROM_STATS = Target(at_most=0.3), Target(at_most=2.5)
SQRTM, EIGVALS = "scipy's sqrtm of the product", "eigvals of the product"
_BATCH = 1_000
_SHIFT = 0.02

Features = np.ndarray[Any, np.dtype[np.float32]]


def frechet_rows(turns: int, counts: tuple[int, ...] = COUNTS, dimensions: int = DIMENSIONS) -> Iterator[Row]:
    """Of each count, as many on either side: from features (fewer than dimensions), from statistics, and these."""
    for count in counts:
        seconds, a, b = _accumulated(count, dimensions)
        works = [partial(frechet_distance, a, b), partial(by_eigvals, a, b)]
        if count < dimensions:
            features = (np.concatenate(list(_batches(seed, count, dimensions))) for seed in (0, 1))
            works.append(partial(frechet_distance_of, *features))
        stats, eigvals, *shortcut = in_turns(works, turns)
        sqrtm = _once(partial(by_sqrtm, a, b))
        for ours in shortcut:
            yield from _beside(f"from features, N = {count:,}", ours, eigvals, sqrtm, FROM_FEATURES)
        yield from _beside(f"from two FeatureStats, N = {count:,}", stats, eigvals, sqrtm, FROM_STATS)
        yield Row(PART, f"one FeatureStats accumulated, N = {count:,}", "", ours=seconds, note="once")


def by_sqrtm(a: FeatureStats, b: FeatureStats) -> float:
    """As published evaluators have it: the real part of a general matrix square root, of the product."""
    from scipy.linalg import sqrtm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a singular product, which it may fail on
        root = sqrtm(a.sigma @ b.sigma)
    return _assembled(a, b, float(np.trace(root.real)))


def by_eigvals(a: FeatureStats, b: FeatureStats) -> float:
    """The root's trace by the eigenvalues of the product, which is not symmetric."""
    product = torch.from_numpy(a.sigma) @ torch.from_numpy(b.sigma)
    return _assembled(a, b, float(torch.linalg.eigvals(product).sqrt().real.sum()))


def _assembled(a: FeatureStats, b: FeatureStats, cross: float) -> float:
    return float(np.square(a.mu - b.mu).sum() + np.trace(a.sigma) + np.trace(b.sigma) - 2.0 * cross)


def _beside(
    name: str, ours: Timed[float], eigvals: Timed[float], sqrtm: Timed[float] | None, target: Target
) -> Iterator[Row]:
    if sqrtm is None:
        note = "beside sqrtm not measured: scipy is not installed"
        yield Row(PART, name, SQRTM, ours=ours.seconds, target=target, note=note)
    else:
        off = relative(ours.result, sqrtm.result) if math.isfinite(sqrtm.result) else None
        note = "sqrtm once" if off is not None else "sqrtm once, and its result is not finite"
        yield Row(PART, name, SQRTM, ours=ours.seconds, theirs=sqrtm.seconds, target=target, difference=off, note=note)
    off = relative(ours.result, eigvals.result)
    yield Row(PART, name, EIGVALS, ours=ours.seconds, theirs=eigvals.seconds, target=target, difference=off)


def _once(work: Callable[[], float]) -> Timed[float] | None:
    """A single turn, for it is slow; None without scipy."""
    if find_spec("scipy") is None:
        return None
    import scipy.linalg  # noqa: F401  # off the clock

    return in_turns([work], 1)[0]


def _accumulated(count: int, dimensions: int) -> tuple[float, FeatureStats, FeatureStats]:
    """Seconds for the statistics of one side, and both sides'. Features are made as they are needed, off the clock."""
    seconds, stats = 0.0, []
    for seed in (0, 1):
        moments, seconds = FeatureMoments(), 0.0
        for batch in _batches(seed, count, dimensions):
            begun = time.perf_counter()
            moments.add(batch)
            seconds += time.perf_counter() - begun
        begun = time.perf_counter()
        stats.append(moments.stats())
        seconds += time.perf_counter() - begun
    return seconds, stats[0], stats[1]


def _batches(seed: int, count: int, dimensions: int) -> Iterator[Features]:
    """Features (n, dimensions) that are not negative, as Inception's are; of seed 1 a little larger."""
    random = np.random.Generator(np.random.Philox(key=seed))
    for start in range(0, count, _BATCH):
        drawn = random.standard_normal((min(_BATCH, count - start), dimensions), np.float32)
        yield np.abs(drawn + np.float32(_SHIFT * seed))
