from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganops.data.sources import RawImage, open_source
from ganops.errors import SourceRefused


def records(labels: list[int], seed: int) -> tuple[bytes, np.ndarray]:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, 32, 32), dtype=np.uint8)
    return b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, pixels, strict=True)), pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data_batch_1.bin").write_bytes(records([0, 2], 0)[0])
    (tmp_path / "test_batch.bin").write_bytes(records([1], 1)[0])
    (tmp_path / "batches.meta.txt").write_text("airplane\nautomobile\nbird\n\n")
    return tmp_path


def test_colours_names_and_split(folder: Path) -> None:
    items = list(open_source(str(folder)))
    assert all(isinstance(item, RawImage) for item in items)
    assert [(item.label, item.split) for item in items if isinstance(item, RawImage)] == [
        ("airplane", "train"), ("bird", "train"), ("automobile", "test"),
    ]  # fmt: skip
    assert isinstance(items[1], RawImage)
    stored = np.asarray(Image.open(io.BytesIO(items[1].data)))
    assert np.array_equal(stored.transpose(2, 0, 1), records([0, 2], 0)[1][1])


def test_without_names_labels_are_numbers(folder: Path) -> None:
    (folder / "batches.meta.txt").unlink()
    assert [item.label for item in open_source(str(folder)) if isinstance(item, RawImage)] == ["0", "2", "1"]


def test_part_of_a_record_is_refused(folder: Path) -> None:
    (folder / "test_batch.bin").write_bytes(records([1], 1)[0][:-1])
    with pytest.raises(SourceRefused, match=r"test_batch\.bin is 3072 bytes long"):
        open_source(str(folder))


def test_label_without_a_name_is_refused(folder: Path) -> None:
    (folder / "test_batch.bin").write_bytes(records([200], 1)[0])
    with pytest.raises(SourceRefused, match="image 0 the label 200, but there are 3 classes"):
        list(open_source(str(folder)))


@pytest.mark.parametrize("name", ["data_batch_1.bin", "test_batch.bin", "batches.meta.txt"])
def test_a_pipe_is_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(SourceRefused, match=rf"{name} is a named pipe"):
        open_source(str(folder))


def test_names_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / "batches.meta.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(SourceRefused, match=r"batches\.meta\.txt cannot be read as a list of class names"):
        open_source(str(folder))
