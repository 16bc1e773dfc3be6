"""What `validate` and `prepare` left behind, damaged: one paragraph that names the file and the command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganops.data.prepared import load, write_dataset
from ganops.data.split import SPLITS
from ganops.data.validated import accepted_digests, read_verdict
from ganops.errors import DamagedFile, UserError

DATASET: dict[str, Any] = {
    "format": 2,
    "image_shape": [1, 8, 8],
    "classes": ["cat", "dog"],
    "counts": dict.fromkeys(SPLITS, 4),
    "split": {"by": "hash"},
    "preprocessing": "as it was",
    "sha256": dict.fromkeys(SPLITS, "0" * 64),
    "labels_sha256": dict.fromkeys(SPLITS, "0" * 64),
    "ids_sha256": dict.fromkeys(SPLITS, "0" * 64),
}
RULE = {
    "rule": "decodable", "severity": "critical", "success": True, "observed": "all", "expected": "all", "offenders": 0,
}  # fmt: skip
VERDICT: dict[str, Any] = {"success": True, "images": 4, "accepted": 4, "refused": 0, "rules": [RULE]}
NO_JSON = ["", "{", "nan", "[]", "null", "\x00\x01", "\udcff", "[" * 100_000]


def write(path: Path, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    for name in SPLITS:
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "images.npy", np.zeros((4, 1, 8, 8), np.uint8))
        np.save(tmp_path / name / "labels.npy", np.array([0, 1, -1, 0]))
        np.save(tmp_path / name / "ids.npy", np.zeros((4, 32), np.uint8))
    write_dataset(tmp_path, (1, 8, 8), ["cat", "dog"], dict.fromkeys(SPLITS, 4), {"by": "hash"}, "as it was")
    return tmp_path


@pytest.fixture
def validated(tmp_path: Path) -> Path:
    write(tmp_path / "verdict.json", VERDICT)
    np.save(tmp_path / "accepted.npy", np.zeros((4, 32), np.uint8))
    return tmp_path


def test_what_is_sound_is_read(prepared: Path) -> None:
    dataset = load(prepared)
    assert (dataset.image_shape, dataset.classes, dataset.counts["test"]) == ((1, 8, 8), ("cat", "dog"), 4)
    split = dataset.split("test")
    assert split.labels.tolist() == [0, 1, -1, 0] and isinstance(split.images_u8, np.memmap)


def test_a_sound_verdict_is_read_whole(validated: Path) -> None:
    assert read_verdict(validated) == VERDICT
    assert accepted_digests(validated).shape == (4, 32)


@pytest.mark.parametrize("damage", [
    *NO_JSON,
    DATASET | {"format": 1},
    DATASET | {"image_shape": [8, 8]},
    DATASET | {"image_shape": [1, -8, 8]},
    DATASET | {"classes": "catdog"},
    DATASET | {"counts": {"train": 4}},
    DATASET | {"counts": dict.fromkeys(SPLITS, "4")},
    DATASET | {"split": None},
    *({key: value for key, value in DATASET.items() if key != lost} for lost in ("sha256", "ids_sha256")),
])  # fmt: skip
def test_a_damaged_description_is_one_paragraph(prepared: Path, damage: Any) -> None:
    write(prepared / "dataset.json", damage)
    with pytest.raises(DamagedFile, match=r"dataset\.json is damaged.*run `ganops prepare` again") as caught:
        load(prepared)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [
    *NO_JSON,
    {"rules": []},
    VERDICT | {"success": "yes"},
    VERDICT | {"rules": 5},
    VERDICT | {"rules": [{"rule": "decodable"}]},
])  # fmt: skip
@pytest.mark.parametrize("read", [read_verdict, accepted_digests])
def test_a_damaged_verdict_is_one_paragraph(validated: Path, damage: Any, read: Callable[[Path], Any]) -> None:
    write(validated / "verdict.json", damage)
    with pytest.raises(DamagedFile, match=r"verdict\.json is damaged.*run `ganops validate` again") as caught:
        read(validated)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_yet_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no prepared data.*run `ganops prepare`"):
        load(tmp_path)
    with pytest.raises(UserError, match=r"not validated yet.*run `ganops validate`"):
        read_verdict(tmp_path)


def test_a_folder_where_a_file_should_be(prepared: Path) -> None:
    (prepared / "dataset.json").unlink()
    (prepared / "dataset.json").mkdir()
    with pytest.raises(DamagedFile, match=r"dataset\.json is damaged.*Is a directory"):
        load(prepared)


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, one=np.zeros(3))


def pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def claiming(path: Path) -> None:
    """A header that promises far more than any memory holds."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 32), }" % 2**55
    path.write_bytes(b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n")


ARRAYS = [
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:-1]),
    lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x04\x00((((" + bytes(90)),
    lambda path: path.unlink(),
    npz,
    pickled,
    claiming,
    lambda path: np.save(path, np.zeros((3, 31), np.uint8)),
    lambda path: np.save(path, np.zeros((4, 32), np.float32)),
    lambda path: np.save(path, np.uint8(1)),
    lambda path: (path.unlink(), os.mkfifo(path)),
    lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    lambda path: (path.unlink(), path.mkdir()),
]


@pytest.mark.parametrize("name", ["images", "labels", "ids"])
@pytest.mark.parametrize("damage", ARRAYS)
def test_damaged_arrays_are_one_paragraph(prepared: Path, name: str, damage: Callable[[Path], Any]) -> None:
    damage(prepared / "select" / f"{name}.npy")
    with pytest.raises(DamagedFile, match=rf"select/{name}\.npy .*run `ganops prepare` again"):
        load(prepared).split("select")
    load(prepared).split("train")


@pytest.mark.parametrize("name", ["images", "labels", "ids"])
def test_what_follows_an_array_is_not_read(prepared: Path, name: str) -> None:
    os.truncate(prepared / "select" / f"{name}.npy", 2**32)
    with pytest.raises(DamagedFile, match=rf"{name}\.npy has 4,294,967,\d+ bytes beside .*run `ganops prepare` again"):
        load(prepared).split("select")


def test_a_sparse_description_is_not_read(prepared: Path) -> None:
    os.truncate(prepared / "dataset.json", 10 * 2**40)
    with pytest.raises(DamagedFile, match=r"dataset\.json is damaged.*\(it has .*run `ganops prepare` again"):
        load(prepared)


@pytest.mark.parametrize("damage", ARRAYS)
def test_a_damaged_list_of_accepted_images(validated: Path, damage: Callable[[Path], Any]) -> None:
    damage(validated / "accepted.npy")
    with pytest.raises(DamagedFile, match=r"accepted\.npy .*run `ganops validate` again"):
        accepted_digests(validated)


CHANGES = [
    ("images", np.ones((4, 1, 8, 8), np.uint8)),
    ("images", np.zeros((4, 1, 8, 8), np.float32)),
    ("images", np.zeros((3, 1, 8, 8), np.uint8)),
    ("images", np.zeros((4, 8, 8), np.uint8)),
    ("labels", np.zeros(4, np.int64)),
    ("labels", np.full(4, 99)),
    ("labels", np.zeros(4)),
    ("ids", np.ones((4, 32), np.uint8)),
    ("ids", np.zeros(4, np.uint8)),
]


@pytest.mark.parametrize(("name", "content"), CHANGES)
def test_what_was_changed_is_refused(prepared: Path, name: str, content: Any) -> None:
    np.save(prepared / "train" / f"{name}.npy", content)
    with pytest.raises(DamagedFile, match=rf"train/{name}\.npy .*run `ganops prepare` again"):
        load(prepared).split("train")


@pytest.mark.parametrize("labels", [[0, 1, 2, 0], [0, 1, -2, 0], [0, 1, 0]])
def test_labels_that_do_not_fit_the_classes(prepared: Path, labels: list[int]) -> None:
    np.save(prepared / "train" / "labels.npy", np.array(labels))
    with pytest.raises(DamagedFile, match=r"train/labels\.npy .*run `ganops prepare` again"):
        load(prepared).split("train")
