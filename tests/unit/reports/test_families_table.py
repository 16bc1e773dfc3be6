from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from ganops.commands import models
from ganops.errors import ConfigError, UserError
from ganops.models import FAMILIES
from ganops.reports.families import FamilyRow, family_rows, print_families, table_cells
from ganops.workspace import edit_params, find


@pytest.fixture(scope="module")
def rows() -> list[FamilyRow]:
    return family_rows((1, 28, 28))


@pytest.fixture(scope="module")
def large_rows() -> list[FamilyRow]:
    return family_rows((3, 256, 256))


def test_the_table_names_every_family_with_its_cost(rows: list[FamilyRow]) -> None:
    stream = io.StringIO()
    print_families(Console(file=stream, width=120), (1, 28, 28), rows)
    text = stream.getvalue()
    assert "28x28 pixels, 1 channel," in text
    assert max(map(len, text.splitlines())) <= 120
    for name in FAMILIES:
        assert f" {name}" in text
    mlp = next(line for line in text.splitlines() if "mlp_gan§" in line)
    assert "131k" in mlp and "117k" in mlp and "0.1" in mlp


def test_the_documents_figures_are_these(repository: Path, rows: list[FamilyRow]) -> None:
    document = (repository / "docs" / "models.md").read_text()
    for row in rows:
        assert f"\n### {row.name}\n" in document
        assert row.spec is not None
        (line,) = [line for line in document.splitlines() if line.startswith(f"| [`{row.name}`]")]
        _, title, weights_g, weights_d, macs_g, macs_d, _ = table_cells(row)
        for cell in (
            title.splitlines()[0],
            f"| {row.spec.width}, {row.spec.z_dim} |",
            f"| {weights_g}, {weights_d} |",
            f"| {macs_g}, {macs_d} |",
        ):
            assert cell in line
        assert ("†" in line, "§" in line) == (row.family.batch_norm, not row.family.promotable)


def test_a_family_that_cannot_do_the_size_says_which_it_can(large_rows: list[FamilyRow]) -> None:
    rows = {row.name: row.to_json() for row in large_rows}
    assert "16,384 pixels" in rows["dense_dcgan"]["refusal"]
    assert rows["dense_dcgan"]["generator"] == {"parameters": None, "macs": None}
    stream = io.StringIO()
    print_families(Console(file=stream, width=120), (3, 256, 256), large_rows)
    assert "Not at this size" in stream.getvalue()
    assert [row["name"] for row in rows.values() if row["refusal"]] == ["dense_dcgan"]


def test_the_command_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models.table(tmp_path, "9x12x3", json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["image_shape"] == [3, 9, 12]
    assert [row["name"] for row in answer["families"]] == list(FAMILIES)
    assert all(row["generator"]["macs"] > 0 and row["refusal"] is None for row in answer["families"])


def test_the_size_is_the_given_one_or_the_workspaces_or_the_default(tmp_path: Path, repository: Path) -> None:
    assert models.shape_to_show(tmp_path, None) == (1, 28, 28)
    assert models.shape_to_show(tmp_path, "32x48x3") == (3, 32, 48)
    assert models.shape_to_show(tmp_path, "32x48") == (1, 32, 48)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(repository / name, tmp_path)
    assert models.shape_to_show(tmp_path, None) == (1, 28, 28)
    edit_params(find(tmp_path), {"data.image_size": [20, 24]})
    assert models.shape_to_show(tmp_path, None) == (1, 20, 24)
    assert models.shape_to_show(tmp_path, "32x48x3") == (3, 32, 48)


def test_what_is_prepared_fills_what_the_configuration_leaves_open(tmp_path: Path, repository: Path) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(repository / name, tmp_path)
    folder = tmp_path / "data" / "prepared"
    folder.mkdir(parents=True)
    splits = ("train", "select", "test")
    facts = {
        "format": 2,
        "image_shape": [3, 40, 30],
        "classes": [],
        "counts": dict.fromkeys(splits, 1),
        "split": {},
        "preprocessing": "",
        **dict.fromkeys(("sha256", "labels_sha256", "ids_sha256"), dict.fromkeys(splits, "")),
    }
    (folder / "dataset.json").write_text(json.dumps(facts))
    assert models.shape_to_show(tmp_path, None) == (3, 40, 30)
    edit_params(find(tmp_path), {"data.channels": 1})
    assert models.shape_to_show(tmp_path, None) == (1, 40, 30)


@pytest.mark.parametrize("size", ["4x4", "28x28x2", "28", "0x0", "28x28x1x1", "axb", "", "-8x8"])
def test_a_size_that_makes_no_sense_is_one_paragraph(size: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="size"):
        models.table(tmp_path, size, json=False)


def test_a_broken_configuration_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("candidates: 3\n")
    (tmp_path / "dvc.yaml").write_text("")
    with pytest.raises(ConfigError):
        models.table(tmp_path, None, json=False)
