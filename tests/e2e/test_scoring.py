"""`ganops score` as somebody runs it who has images and no workspace, and as somebody who has one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from user_shell import Shell

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("GANOPS_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", random.normal(0.2, 1, (400, 8)))
    np.save(tmp_path / "b.npy", random.normal(0, 1, (300, 8)).astype(np.float32))
    return Shell(tmp_path)


def test_features_without_a_workspace(folder: Shell) -> None:
    said = folder("score", "a.npy", "b.npy", "--metrics", "fd_star,kid", "--metrics", "precision", "--json")
    found = json.loads(said.stdout)
    assert list(found["metrics"]) == ["fd_star", "kid", "precision"] and found["plot"] is None
    fd = found["metrics"]["fd_star"]
    assert fd["low"] < 8 * 0.2**2 < fd["high"] and fd["se"] > 0
    assert found["protocol"]["num_images"] == 400


def test_a_registered_model_by_the_workspaces_own_extractor(trained: Shell, tmp_path: Path) -> None:
    plot, cache = tmp_path / "score.png", {"GANOPS_CACHE": str(tmp_path / "cache")}
    said = trained("score", "models:/generator@champion", "digits", "--num-images", "400", "--plot", str(plot), **cache)
    assert "fd_star" in said.stdout and "the workspace's own" in said.stdout
    assert "A was trained on" in said.stdout, "digits hold the images that the workspace trains on"
    assert Image.open(plot).width > 1000
    entries = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.entry")}
    assert len(entries) == 1, "the features of the reference"
    held_out = ("score", "models:/generator/1", "data/prepared", "--split", ":select", "--num-images", "400", "--json")
    found = json.loads(trained(*held_out, **cache).stdout)
    assert found["b"]["split"] == "select" and not any("trained on" in note for note in found["notes"])


def test_a_workspaces_reference_is_not_looked_at_again(trained: Shell, tmp_path: Path) -> None:
    shutil.copytree(trained.folder / "data" / "reference", tmp_path / "reference")
    command = ("score", "models:/generator@champion", str(tmp_path / "reference"), "--num-images", "400")
    found = json.loads(trained(*command, "--split", ":select", "--json").stdout)
    facts = json.loads((tmp_path / "reference" / "reference.json").read_text())
    assert found["protocol"]["reference_hash"] == facts["splits"]["select"]["hash"]
    assert found["protocol"]["extractor_sha256"] == facts["extractor"]["sha256"]
    assert found["b"]["kind"] == "reference" and "class_coverage" in found["metrics"]
    assert "choose one with --split" in trained(*command, expect=2).stderr

    card = tmp_path / "reference" / "extractor" / "extractor.json"
    card.write_text(card.read_text().replace('"seed": 0', '"seed": 1'))
    assert "is of another protocol" in trained(*command, "--split", ":select", expect=2).stderr


def pickled(folder: Path) -> str:
    np.save(folder / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return "pickled.npy"


def mixed(folder: Path) -> str:
    (folder / "mixed").mkdir()
    for side in (8, 9):
        Image.new("L", (side, side)).save(folder / "mixed" / f"{side}.png")
    return "mixed"


@pytest.mark.parametrize(
    ("a", "arguments", "code", "said"),
    [
        (lambda folder: "missing", (), 2, "There is no file or folder 'missing'"),
        (lambda folder: "models:/generator/1", (), 2, "names a model in the registry of a workspace"),
        (pickled, (), 3, "Python objects"),
        (mixed, (), 3, "different sizes"),
        (lambda folder: "a.npy", ("--metrics", "precison"), 2, "did you mean 'precision'?"),
    ],
)
def test_what_cannot_be_scored_is_one_paragraph(
    folder: Shell, a: Callable[[Path], str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = folder("score", a(folder.folder), "b.npy", *arguments, expect=code)
    (paragraph,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert said in paragraph and result.stdout == ""
