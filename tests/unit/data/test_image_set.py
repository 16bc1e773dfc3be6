from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganops.data.image_set import ImageSet, read_image_set
from ganops.data.pixels import encode_png
from ganops.data.sources import BareImage, RawImage, Refusal, open_source
from ganops.errors import SourceRefused, UserError
from ganops.files import sha256_bytes


@dataclass(frozen=True)
class Bare:
    """A source of bare pixels, which must not be encoded to be read."""

    images: tuple[BareImage, ...]
    name: str = "bare"

    @property
    def expected(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        raise AssertionError("encoded")

    def bare(self) -> Iterator[BareImage]:
        return iter(self.images)


@dataclass(frozen=True)
class Listed:
    """A source of what it is given."""

    items: tuple[RawImage | Refusal, ...]
    name: str = "listed"

    @property
    def expected(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        return iter(self.items)


def grey(seed: int, size: tuple[int, int] = (5, 7)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def raw(pixels: np.ndarray, label: str | None = None, split: str | None = None) -> RawImage:
    return RawImage(encode_png(pixels), "x.png", label, split)


def test_pixels_labels_and_origins_come_through_in_order() -> None:
    items = (raw(grey(0), "10"), raw(grey(1), "9"), raw(grey(2)))
    found = read_image_set(Listed(items))
    assert np.array_equal(found.images_u8, np.stack([grey(0), grey(1), grey(2)])[:, None])
    assert found.classes == ("9", "10") and found.labels.tolist() == [1, 0, -1] and not found.labelled
    assert hex(int(found.origins()[1]))[2:].zfill(16) == sha256_bytes(items[1].data)[:16]
    assert found.split is None and found.remarks == ()


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_bare_pixels_give_what_their_encoding_gives(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    images = tuple(BareImage(each, "x.png", label) for each, label in zip(pixels, "aba", strict=True))
    bare, encoded = read_image_set(Bare(images)), read_image_set(Listed(tuple(each.encoded() for each in images)))
    assert bare.sha256() == encoded.sha256() and bare.labels.tolist() == encoded.labels.tolist() == [0, 1, 0]
    assert np.array_equal(bare.origins(), encoded.origins())
    rows = np.array([2, 0])
    assert np.array_equal(bare.take(rows).origins(), encoded.take(rows).origins())
    assert np.array_equal(bare.take(rows).images_u8, encoded.images_u8[rows])


def test_grey_among_colour_is_repeated_and_told() -> None:
    colour = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    found = read_image_set(Listed((raw(grey(0)), raw(colour), raw(grey(1)))))
    assert found.shape == (3, 5, 7)
    assert np.array_equal(found.images_u8[1], colour.transpose(2, 0, 1))
    assert all(np.array_equal(channel, grey(1)) for channel in found.images_u8[2])
    assert found.remarks == ("2 of 3 images of listed are grey, and were repeated to 3 channels",)


def test_the_digest_is_of_the_pixels_alone(tmp_path: Path) -> None:
    pixels = np.stack([grey(seed) for seed in range(3)])
    for number, each in enumerate(pixels):
        Image.fromarray(each).save(tmp_path / f"{number}.bmp")
    from_folder = read_image_set(open_source(str(tmp_path)))
    bare = ImageSet.bare(pixels[:, None])
    assert from_folder.sha256() == bare.sha256()
    assert bare.sha256() != ImageSet.bare(pixels[::-1, None]).sha256()
    assert bare.sha256() != ImageSet.bare(pixels.reshape(3, 1, 7, 5)).sha256()
    assert np.isin(from_folder.fingerprints(), bare.take(np.array([1])).fingerprints()).tolist() == [False, True, False]


def test_a_split_of_the_sources_own() -> None:
    source = Listed((raw(grey(0), "a", "train"), raw(grey(1), "b", "test")))
    found = read_image_set(source, "test")
    assert np.array_equal(found.images_u8[0, 0], grey(1)) and found.split == "test" and found.classes == ("b",)
    with pytest.raises(UserError, match=r"listed has no split 'select'; it has test and train"):
        read_image_set(source, "select")
    assert len(read_image_set(source, "select", required=False)) == 2


def test_a_split_of_a_source_that_has_none() -> None:
    source = Listed((raw(grey(0)),))
    with pytest.raises(UserError, match=r"no split 'test'; it has none of its own"):
        read_image_set(source, "test")
    assert read_image_set(source, "test", required=False).split is None


def test_what_is_no_image_is_left_out_and_told() -> None:
    found = read_image_set(Listed((raw(grey(0)), Refusal("a.txt", "no image"), RawImage(b"junk", "b.png"))))
    assert len(found) == 1
    assert found.remarks == ("2 of 3 files of listed were left out, first a.txt: no image",)


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ((raw(grey(0)), raw(grey(1, (7, 5)))), r"different sizes: x.png is 5x7 pixels and x.png is 7x5"),
        ((Refusal("a.txt", "no image"),), r"no image that can be read; first a.txt: no image"),
        ((), r"listed holds no images"),
    ],
)
def test_a_source_that_cannot_be_measured(items: tuple[RawImage | Refusal, ...], said: str) -> None:
    with pytest.raises(SourceRefused, match=said):
        read_image_set(Listed(items))
