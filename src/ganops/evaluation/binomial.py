"""Exact intervals of a share that was counted (Clopper & Pearson 1934)."""

from __future__ import annotations

import math


def upper_limit(count: int, trials: int, level: float = 0.05) -> float:
    """One-sided upper confidence limit of the probability, 0…1: the largest that `count` of `trials` or fewer would
    have happened under with a chance of `level`."""
    assert 0 <= count <= trials and trials > 0, "a share of nothing"
    if count == trials:
        return 1.0
    low, high = count / trials, 1.0
    while high - low > 1e-10:
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, trials, middle) > level else (low, middle)
    return high


def lower_limit(count: int, trials: int, level: float = 0.05) -> float:
    """One-sided lower confidence limit."""
    return 1.0 - upper_limit(trials - count, trials, level)


def _at_most(count: int, trials: int, probability: float) -> float:
    """P(X <= count) of a binomial; probability inside 0…1."""
    log_p, log_q = math.log(probability), math.log1p(-probability)
    whole = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_p + (trials - k) * log_q)
        for k in range(count + 1)
    )
