from __future__ import annotations

import gzip
import io
import itertools
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganops.data.sources import RawImage, open_source
from ganops.errors import SourceRefused


def images_file(pixels: np.ndarray) -> bytes:
    return struct.pack(">4B3I", 0, 0, 8, 3, *pixels.shape) + pixels.tobytes()


def labels_file(labels: list[int]) -> bytes:
    return struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + bytes(labels)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 9, 10), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images_file(pixels)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels_file([7, 0, 3])))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(images_file(255 - pixels[:2]))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels_file([1, 2]))
    return tmp_path


def read(folder: Path) -> list[RawImage]:
    items = list(open_source(str(folder)))
    assert all(isinstance(item, RawImage) for item in items)
    return items  # type: ignore[return-value]


def test_pixels_labels_and_split_survive(folder: Path, pixels: np.ndarray) -> None:
    items = read(folder)
    assert [(item.label, item.split) for item in items] == [
        ("7", "train"), ("0", "train"), ("3", "train"), ("1", "test"), ("2", "test"),
    ]  # fmt: skip
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(items[1].data))), pixels[1])
    assert open_source(str(folder)).expected == 5


def test_without_label_files_images_are_unlabelled(folder: Path) -> None:
    for path in folder.glob("*labels*"):
        path.unlink()
    assert {item.label for item in read(folder)} == {None}


def test_one_missing_label_file_is_refused(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(SourceRefused, match=r"t10k-images-idx3-ubyte has no labels file"):
        read(folder)


def test_label_file_of_another_length_names_file_and_counts(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(labels_file([1, 2, 3, 4]))
    with pytest.raises(SourceRefused, match=r"t10k-labels-idx1-ubyte holds 4 labels, but .*t10k-images.* 2 images"):
        read(folder)


def test_short_label_file_is_refused(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(labels_file([1, 2])[:-1])
    with pytest.raises(SourceRefused, match="holds 1 labels, but its header says 2"):
        read(folder)


def test_truncated_gzip_is_refused(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceRefused, match=r"train-images-idx3-ubyte\.gz is truncated"):
        read(folder)


@pytest.mark.parametrize("change", [-5, +5])
def test_images_of_another_length_than_the_header_says(folder: Path, change: int) -> None:
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:change] if change < 0 else path.read_bytes() + b"x" * change)
    with pytest.raises(SourceRefused, match="t10k-images-idx3-ubyte"):
        read(folder)


def test_wrong_magic_is_refused(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte").write_bytes(b"\x00\x00\x0d\x03" + bytes(40))
    with pytest.raises(SourceRefused, match="begins with 00000d03 instead of 00000803"):
        read(folder)


def test_the_real_fashion_mnist() -> None:
    shared = os.environ.get("GANOPS_SHARED")
    if not shared:
        pytest.skip("GANOPS_SHARED is not set")
    source = open_source(str(Path(shared) / "data" / "fashion-mnist"))
    first = next(iter(source))
    assert source.expected == 70_000
    assert isinstance(first, RawImage) and (first.label, first.split) == ("9", "train")


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("kind", ["a named pipe", "a folder", "a device"])
def test_only_regular_files_are_opened(folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink()
    if kind == "a named pipe":
        os.mkfifo(folder / name)
    elif kind == "a folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to("/dev/zero")
    with pytest.raises(SourceRefused, match=f"{name} is {kind}, where a regular file is expected"):
        open_source(str(folder))


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte").unlink()
    (folder / "t10k-images-idx3-ubyte").symlink_to("/proc/self/mem")  # regular, and even root reads no byte of it
    with pytest.raises(SourceRefused, match=r"t10k-images-idx3-ubyte .*Input/output error"):
        open_source(str(folder))


def test_labels_that_break_off_are_named_and_not_the_images(folder: Path) -> None:
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(SourceRefused, match=r"train-labels-idx1-ubyte\.gz is truncated"):
        list(open_source(str(folder)))


def test_a_claim_of_four_billion_labels_takes_no_memory(folder: Path, pixels: np.ndarray) -> None:
    for name, head in (("images-idx3", (0, 0, 8, 3)), ("labels-idx1", (0, 0, 8, 1))):
        sides = (1, 1) if "images" in name else ()
        header = struct.pack(f">4B{1 + len(sides)}I", *head, 2**32 - 1, *sides)
        (folder / f"t10k-{name}-ubyte").unlink()
        (folder / f"t10k-{name}-ubyte.gz").write_bytes(gzip.compress(header + bytes(2 * 10**7), 1))
    tracemalloc.start()
    try:
        items = itertools.islice(open_source(str(folder)), 3, 6)
        assert [item.label for item in items if isinstance(item, RawImage)] == ["0"] * 3
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


def test_one_images_file_brings_its_labels_and_nothing_else(folder: Path, pixels: np.ndarray) -> None:
    items = read(folder / "t10k-images-idx3-ubyte")
    assert [(item.label, item.split) for item in items] == [("1", "test"), ("2", "test")]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(items[0].data))), 255 - pixels[0])
    (folder / "t10k-labels-idx1-ubyte").unlink()
    assert {item.label for item in read(folder / "t10k-images-idx3-ubyte")} == {None}


def test_a_labels_file_is_no_source(folder: Path) -> None:
    with pytest.raises(SourceRefused, match=r"train-labels-idx1-ubyte.gz holds no images.*beside which its labels"):
        open_source(str(folder / "train-labels-idx1-ubyte.gz"))
