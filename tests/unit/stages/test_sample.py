from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganops.errors import UnknownName, UserError
from ganops.models import ModelSpec, Snapshot, build_generator, generate, save_snapshot
from ganops.reports.grid import SheetRow, write_contact_sheet, write_grid
from ganops.stages.sample import write_sample

SHARES, CLASSES = (0.5, 0.25, 0.25, 0.0), ["ankle boot", "shirt", "0", "never seen"]


def snapshot_of(folder: Path, shares: tuple[float, ...] = SHARES, **info: Any) -> Snapshot:
    spec = ModelSpec("lite", (1, 8, 9), z_dim=4, width=4, class_shares=shares)
    return save_snapshot(folder / "snapshot", build_generator(spec), spec, info)


@pytest.fixture
def conditional(tmp_path: Path) -> Snapshot:
    return snapshot_of(tmp_path, classes=CLASSES)


def made(snapshot: Snapshot, count: int, label: int | None = None) -> np.ndarray[Any, Any]:
    return np.concatenate([batch.numpy() for batch in generate(snapshot.generator, count, seed=3, label=label)])


def same(one: Path, other: Path) -> bool:
    return np.array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))


@pytest.mark.parametrize(("count", "sizes"), [(None, (21, 21, 21)), (6, (2, 2, 2)), (7, (3, 2, 2)), (4, (2, 1, 1))])
def test_all_classes_make_a_row_each_of_the_same_vectors(
    tmp_path: Path, conditional: Snapshot, count: int | None, sizes: tuple[int, ...]
) -> None:
    assert write_sample(tmp_path / "sheet.png", conditional, 3, count) == sum(sizes)
    rows = [SheetRow(CLASSES[label], made(conditional, size, label)) for label, size in enumerate(sizes)]
    write_contact_sheet(tmp_path / "expected.png", rows)
    assert same(tmp_path / "sheet.png", tmp_path / "expected.png")


def test_one_class_and_too_few_for_all_are_a_grid(tmp_path: Path, conditional: Snapshot) -> None:
    for count, label in ((5, 1), (64, 2), (2, None)):
        assert write_sample(tmp_path / "sheet.png", conditional, 3, count, label) == count
        write_grid(tmp_path / "expected.png", made(conditional, count, label))
        assert same(tmp_path / "sheet.png", tmp_path / "expected.png")


def test_without_classes_it_is_a_grid_of_64(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, shares=())
    assert write_sample(tmp_path / "sheet.png", snapshot, 3) == 64
    write_grid(tmp_path / "expected.png", made(snapshot, 64))
    assert same(tmp_path / "sheet.png", tmp_path / "expected.png")


def test_a_sheet_of_many_classes_stays_small(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, shares=(0.005,) * 200)
    assert write_sample(tmp_path / "sheet.png", snapshot, 3) == 200
    width, height = Image.open(tmp_path / "sheet.png").size
    assert width < 700 and height <= 200 * 16


@pytest.mark.parametrize(
    ("asked", "label"), [("ankle boot", 0), ("shirt", 1), ("1", 1), ("0", 2), ("2", 2)]
)  # a class that is named 0 goes before number 0
def test_a_class_is_known_by_its_name_or_else_its_number(conditional: Snapshot, asked: str, label: int) -> None:
    assert conditional.label_of(asked) == label


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("shirts", "did you mean 'shirt'"),
        ("7", r"classes are ankle boot \(0\), shirt \(1\), 0 \(2\)\."),
        ("-1", "knows no class '-1'"),
        ("never seen", "knows no class 'never seen'"),
        ("3", "knows no class '3'"),
    ],
)
def test_a_class_that_is_not_known_is_refused_with_the_nearest(conditional: Snapshot, asked: str, said: str) -> None:
    with pytest.raises(UnknownName, match=said):
        conditional.label_of(asked)


def test_no_class_can_be_chosen_where_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"trained without classes.*conditional: true"):
        snapshot_of(tmp_path, shares=()).label_of("shirt")


def test_classes_without_names_have_their_numbers(tmp_path: Path) -> None:
    assert snapshot_of(tmp_path).classes == ("0", "1", "2", "3")
