"""Numbers that the metrics are defined by; a change of one raises METRIC_VERSION."""

from __future__ import annotations

from collections.abc import Mapping

NEIGHBOURS = 5
"""k, of precision, recall, density and coverage."""
PAIRWISE_LIMIT = 5_000
"""Metrics over all pairs of images look at that many of each side at most: a fixed draw."""
KID_SUBSETS, KID_SUBSET_SIZE, KID_SUBSET_SEED = 100, 1000, 2020
"""torch-fidelity's defaults. Where a side has fewer images than a subset, the subsets have its size."""
INCEPTION_SCORE_SPLITS = 10
MIFID_THRESHOLD = 0.1
"""τ: a distance above it is no sign of memorisation."""
COPIES_LOWEST_SHARE = 0.002
"""The alarm's percentile: that share of the real images."""

CONVENTIONS: Mapping[str, int | float] = {
    "neighbours": NEIGHBOURS,
    "pairwise_limit": PAIRWISE_LIMIT,
    "kid_subsets": KID_SUBSETS,
    "kid_subset_size": KID_SUBSET_SIZE,
    "kid_subset_seed": KID_SUBSET_SEED,
    "inception_score_splits": INCEPTION_SCORE_SPLITS,
    "mifid_threshold": MIFID_THRESHOLD,
    "copies_lowest_share": COPIES_LOWEST_SHARE,
}
"""All of them, as a protocol records them."""
