"""Which split an image belongs to: a hash of its content and a seed, nothing else.

So adding images never moves one from train into test, and neither order, name nor source play a part.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from ganops.config import SplitConfig

Split = Literal["train", "select", "test"]
SPLITS: tuple[Split, ...] = ("train", "select", "test")


def split_of(sha256_hex: str, seed: int, select: float, test: float) -> Split:
    """The split of the image with that sha256; `select` and `test` are the shares expected there."""
    draw = _uniform(sha256_hex, seed)
    if draw < test:
        return "test"
    return "select" if draw < test + select else "train"


def assign(sha256_hex: str, source_split: str | None, config: SplitConfig) -> Split:
    """`split_of`, unless `by: source` and the source has a split of its own.

    Then its training images stay in train, and its test images are divided into select and test by the same hash,
    in the proportion of the two configured shares.
    """
    if config.by == "hash" or source_split is None:
        return split_of(sha256_hex, config.seed, config.select, config.test)
    if source_split == "train":
        return "train"
    share = config.test / (config.test + config.select)
    return "test" if _uniform(sha256_hex, config.seed) < share else "select"


def _uniform(sha256_hex: str, seed: int) -> float:
    """A number in [0, 1) from seed and content, with 53 bits."""
    digest = hashlib.sha256(f"{seed}:{sha256_hex}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
