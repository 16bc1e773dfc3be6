from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ganops.data.raw_store import add
from ganops.data.show import choose, summarise
from ganops.data.sources import RawImage
from ganops.layout import Layout

Picture = Callable[..., bytes]


def test_a_summary_counts(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed([RawImage(picture(n), f"{n}.png", "ab"[n % 2], "train") for n in range(5)], name="one"))
    add(layout, listed([RawImage(picture(9, width=9, mode="RGB"), "9.png")], name="two"))
    summary = summarise(layout.raw)
    assert (summary.images, summary.shards, summary.unlabelled) == (6, 2, 1)
    assert (summary.sizes, summary.size_count) == ({"8x8": 5, "9x8": 1}, 2)
    assert summary.modes == {"L": 5, "RGB": 1}
    assert summary.labels == {"a": 3, "b": 2}
    assert summary.sources == {"one": 5, "two": 1}
    assert summary.splits == {"train": 5}
    assert 0 < summary.mean_brightness < 255


def test_the_choice_is_a_row_a_label_and_the_same_every_time(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed([RawImage(picture(n), f"{n}.png", "ab"[n % 2]) for n in range(9)]))
    one, two = choose(layout.raw, per_row=3), choose(layout.raw, per_row=3)
    assert [(sample.label, sample.images_u8.shape) for sample in one] == [("a", (3, 1, 8, 8)), ("b", (3, 1, 8, 8))]
    assert all(np.array_equal(a.images_u8, b.images_u8) for a, b in zip(one, two, strict=True))


def test_unlabelled_images_fill_several_rows(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed([RawImage(picture(n), f"{n}.png") for n in range(8)]))
    assert [len(sample.images_u8) for sample in choose(layout.raw, per_row=3)] == [3, 3, 2]


def test_mixed_sizes_and_colours_share_one_tile(layout: Layout, listed: Any, picture: Picture) -> None:
    pictures = [picture(0, width=300, height=20), picture(1, mode="RGB"), picture(2, width=9, height=12)]
    add(layout, listed([RawImage(data, f"{n}.png") for n, data in enumerate(pictures)]))
    (sample,) = choose(layout.raw)
    assert sample.images_u8.shape == (3, 3, 128, 128)


def test_of_many_sizes_the_most_frequent_are_listed(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed([RawImage(picture(n % 3, width=8 + n // 3), f"{n}.png") for n in range(45)]))
    summary = summarise(layout.raw)
    assert (len(summary.sizes), summary.sizes["8x8"], summary.sizes["other"]) == (11, 3, 15)
    assert (summary.size_count, sum(summary.sizes.values())) == (15, 45)
