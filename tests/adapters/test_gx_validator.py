"""The real Great Expectations, over small manifests."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytest.importorskip("great_expectations")

from ganops.adapters.gx_validator import GxValidator
from ganops.config import Config, ValidateConfig, parse
from ganops.data.manifest import CHECKED
from ganops.data.raw_store import add
from ganops.data.sources import RawImage, open_source
from ganops.data.validated import accepted_digests
from ganops.errors import UserError, ValidationFailed
from ganops.layout import Layout
from ganops.ports import RuleResult
from ganops.stages.validate import validate


def manifest(count: int = 600, **changed: Any) -> pa.Table:
    """A manifest without fault, but for what is `changed`: column={row: value}."""
    columns: dict[str, list[Any]] = {
        "path": [f"{n}.png" for n in range(count)],
        "label": [str(n % 10) for n in range(count)],
        "sha256": [f"{n:064x}" for n in range(count)],
        "split": [None] * count,
        "source": ["test"] * count,
        "width": [28] * count,
        "height": [32] * count,
        "mode": ["L"] * count,
        "brightness": [100.0 + n % 7 for n in range(count)],
        "contrast": [50.0 + n % 5 for n in range(count)],
        "constant": [False] * count,
        "decodable": [True] * count,
    }
    for name, values in changed.items():
        for row, value in values.items():
            columns[name][row] = value
    return pa.table(columns, schema=CHECKED)


def judge(table: pa.Table, tmp_path: Path, **rules: Any) -> dict[str, RuleResult]:
    results = GxValidator().validate(table, ValidateConfig.model_validate(rules), tmp_path / "docs")
    return {result.rule: result for result in results}


def failed(results: dict[str, RuleResult]) -> dict[str, tuple[int, ...]]:
    return {rule: result.offenders for rule, result in results.items() if not result.success}


def test_good_images_pass_every_rule_and_pages_are_written(tmp_path: Path) -> None:
    results = judge(manifest(), tmp_path)
    assert list(results) == list(ValidateConfig.model_fields)
    assert failed(results) == {}
    assert (tmp_path / "docs" / "index.html").exists()
    assert results["label_balance"].severity == "warning" and results["decodable"].severity == "critical"


@pytest.mark.parametrize(
    ("rule", "changed", "offenders"),
    [
        ("decodable", {"decodable": {5: False}, "width": {5: None}, "mode": {5: None}}, (5,)),
        ("unique", {"sha256": {7: f"{3:064x}"}}, (3, 7)),
        ("size", {"width": {1: 5000}, "height": {2: 4}}, (1, 2)),
        ("mode", {"mode": {599: "CMYK"}}, (599,)),
        ("brightness", {"brightness": dict.fromkeys(range(10), 0.0)}, tuple(range(10))),
        ("contrast", {"contrast": dict.fromkeys(range(10), 0.5)}, tuple(range(10))),
        ("not_constant", {"constant": {0: True}}, (0,)),
        ("label_balance", {"label": dict.fromkeys(range(590), "0")}, ()),
    ],
)
def test_each_rule_finds_its_offenders(
    tmp_path: Path, rule: str, changed: dict[str, Any], offenders: tuple[int, ...]
) -> None:
    assert failed(judge(manifest(**changed), tmp_path)) == {rule: offenders}


def test_too_few_images(tmp_path: Path) -> None:
    result = judge(manifest(499), tmp_path)["image_count"]
    assert (result.success, result.observed, result.expected) == (False, "499 images", "at least 500 images")


def test_a_share_may_offend_where_mostly_allows_it(tmp_path: Path) -> None:
    results = judge(manifest(mode={0: "CMYK", 1: "CMYK"}), tmp_path, mode={"mostly": 0.99})
    assert results["mode"].success and results["mode"].offenders == (0, 1)


def test_unlabelled_images_have_no_balance(tmp_path: Path) -> None:
    result = judge(manifest(label=dict.fromkeys(range(600))), tmp_path)["label_balance"]
    assert (result.success, result.observed) == (True, "no labels")


def test_a_rare_label_is_out_of_balance(tmp_path: Path) -> None:
    result = judge(manifest(label={0: "rare"}), tmp_path)["label_balance"]
    assert not result.success and result.observed.startswith("'rare' on 0.2%")


def test_results_are_plain_python(tmp_path: Path) -> None:
    for result in judge(manifest(constant={3: True}), tmp_path).values():
        assert type(result.success) is bool
        assert all(type(row) is int for row in result.offenders)


def test_it_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    judge(manifest(constant={3: True}), tmp_path)
    assert capfd.readouterr() == ("", "")


# ---------------------------------------------------------------- the whole stage


def config(**validation: Any) -> Config:
    candidates = {"a": {"family": "lite", "objective": "relativistic"}}
    return parse({"validation": validation, "candidates": candidates})


def write_images(folder: Path, count: int, constant: int = 0) -> None:
    for n in range(count):
        array = np.random.default_rng(n).integers(0, 256, (8, 8), dtype=np.uint8)
        path = folder / f"class{n % 3}" / f"{n:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array if n >= constant else np.full((8, 8), n, np.uint8)).save(path)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    write_images(tmp_path / "photos", 60, constant=7)
    layout = Layout(tmp_path / "workspace")
    add(layout, open_source(str(tmp_path / "photos")))
    return layout


def test_without_images_it_says_how_to_add_some(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ganops data add SOURCE"):
        validate(Layout(tmp_path), config(), GxValidator())


def test_success_leaves_the_accepted_images(layout: Layout) -> None:
    rules = config(image_count={"min": 10}, not_constant={"mostly": 0.5}, brightness={"severity": "warning"})
    report = validate(layout, rules, GxValidator())
    assert (report.success, report.images, report.accepted, report.refused) == (True, 60, 53, 7)
    assert accepted_digests(layout.validated).shape == (53, 32)
    verdict = json.loads((layout.validated / "verdict.json").read_text())
    assert verdict["success"] is True and verdict["accepted"] == 53
    assert [result.rule for result in report.warnings] == ["brightness", "contrast"]
    offenders = json.loads((layout.validated / "offenders.json").read_text())
    assert len(offenders["not_constant"]) == 7 and offenders["not_constant"][0]["source"] == "photos"
    assert (layout.validated / "docs" / "index.html").exists()
    assert not (layout.state / "validation").exists()


def test_failure_names_rule_count_and_first_offenders(layout: Layout) -> None:
    with pytest.raises(ValidationFailed) as caught:
        validate(layout, config(image_count={"min": 10}), GxValidator())
    message = str(caught.value)
    assert "rule 'not_constant'" in message and "7 of 60 images offend it" in message
    assert "class0/000.png (of photos)" in message and "\n" not in message
    assert caught.value.exit_code == 3
    kept = layout.state / "validation"
    assert str(kept / "verdict.json") in message
    assert json.loads((kept / "verdict.json").read_text())["success"] is False
    assert (kept / "docs" / "index.html").exists()
    with pytest.raises(ValidationFailed, match="last validation failed"):
        accepted_digests(layout.validated)


def test_a_later_success_clears_the_failure_away(layout: Layout) -> None:
    with pytest.raises(ValidationFailed):
        validate(layout, config(), GxValidator())
    validate(layout, config(image_count={"min": 10}, not_constant={"severity": "warning"}), GxValidator())
    assert not (layout.state / "validation").exists()
    assert accepted_digests(layout.validated).shape == (60, 32)


def test_stored_bytes_are_checked_not_their_description(layout: Layout) -> None:
    path = layout.raw / "images-00000.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[30]["image"]["bytes"] = b"spoilt"
    rows[31]["image"]["bytes"] = rows[32]["image"]["bytes"]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    rules = config(image_count={"min": 10}, not_constant={"severity": "warning"})
    with pytest.raises(ValidationFailed, match=r"rule 'decodable'.*rule 'unique'"):
        validate(layout, rules, GxValidator())


def test_the_verdict_repeats_byte_for_byte(layout: Layout) -> None:
    rules = config(image_count={"min": 10}, not_constant={"severity": "warning"})
    validate(layout, rules, GxValidator())
    first = [(layout.validated / name).read_bytes() for name in ("verdict.json", "accepted.npy", "offenders.json")]
    validate(layout, rules, GxValidator())
    again = [(layout.validated / name).read_bytes() for name in ("verdict.json", "accepted.npy", "offenders.json")]
    assert first == again


def test_unlabelled_images_pass(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, "PNG")

    class One:
        name, expected = "one", 1

        def __iter__(self) -> Any:
            yield RawImage(buffer.getvalue(), "one.png")

    add(Layout(tmp_path), One())
    assert validate(Layout(tmp_path), config(image_count={"min": 1}), GxValidator()).accepted == 1
