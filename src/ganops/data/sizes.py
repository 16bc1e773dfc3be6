"""Counts of image sizes for a person: photographs come in thousands of sizes."""

from __future__ import annotations

from collections import Counter

KEPT = 10
OTHER = "other"


def most_frequent(sizes: Counter[str]) -> dict[str, int]:
    """The `KEPT` most frequent, and under `OTHER` the images of all the rest, if there are any."""
    kept = dict(sizes.most_common(KEPT))
    rest = sizes.total() - sum(kept.values())
    return {**kept, OTHER: rest} if rest else kept
