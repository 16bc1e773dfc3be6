from __future__ import annotations

import hashlib
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ganops.config import SplitConfig
from ganops.data.split import assign, split_of

DIGESTS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
PINNED = ["train", "train", "train", "train", "select", "test", "train", "train", "test", "test", "train", "train"]


def test_shares_are_as_asked() -> None:
    counts = Counter(split_of(digest, 0, select=0.15, test=0.1) for digest in DIGESTS)
    assert abs(counts["select"] / len(DIGESTS) - 0.15) < 0.01
    assert abs(counts["test"] / len(DIGESTS) - 0.10) < 0.01


def test_the_split_is_pinned_for_ever() -> None:
    """Were this to change, images of old test sets would turn up in new training sets."""
    assert [split_of(digest, 0, 0.15, 0.15) for digest in DIGESTS[:12]] == PINNED


def test_another_seed_is_another_split() -> None:
    one, two = ([split_of(digest, seed, 0.3, 0.3) for digest in DIGESTS[:200]] for seed in (0, 1))
    assert one != two


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**31 - 1))
def test_a_larger_test_share_only_adds_to_it(digest: bytes, seed: int) -> None:
    if split_of(digest.hex(), seed, 0.1, 0.1) == "test":
        assert split_of(digest.hex(), seed, 0.1, 0.2) == "test"


def test_by_source_keeps_the_sources_test_images_out_of_train() -> None:
    config = SplitConfig(by="source", select=0.1, test=0.3)
    assert {assign(digest, "train", config) for digest in DIGESTS[:500]} == {"train"}
    counts = Counter(assign(digest, "test", config) for digest in DIGESTS)
    assert set(counts) == {"select", "test"}
    assert abs(counts["test"] / len(DIGESTS) - 0.75) < 0.01
    assert [assign(d, None, config) for d in DIGESTS[:50]] == [split_of(d, 0, 0.1, 0.3) for d in DIGESTS[:50]]


def test_by_hash_ignores_the_source() -> None:
    config = SplitConfig(by="hash")
    for digest in DIGESTS[:200]:
        assert len({assign(digest, split, config) for split in ("train", "test", None)}) == 1
