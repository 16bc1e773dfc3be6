from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganops.adapters.dvc_store import DvcStore
from ganops.layout import Layout
from ganops.ports import Damage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that DVC itself has recorded, with a file in a folder of its own."""
    root = tmp_path_factory.mktemp("recorded")
    raw = root / "data" / "raw"
    (raw / "more").mkdir(parents=True)
    (raw / "b.parquet").write_bytes(b"images")
    (raw / "more" / "a.parquet").write_bytes(b"more images")
    for arguments in (["init", "--no-scm"], ["add", "data/raw"]):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, check=True, capture_output=True)
    return root


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> DvcStore:
    shutil.copytree(recorded, tmp_path / "mine")
    return DvcStore(Layout(tmp_path / "mine"))


def md5(store: DvcStore) -> str:
    text = (store.layout.data / "raw.dvc").read_text()
    return next(line.split("md5: ")[1] for line in text.splitlines() if "md5: " in line)


def test_a_folder_is_named_as_dvc_names_it(store: DvcStore) -> None:
    assert list(store.differences()) == []
    assert store.damage(md5(store)) == Damage()


def test_a_changed_file_is_named(store: DvcStore) -> None:
    (store.layout.raw / "more" / "a.parquet").write_bytes(b"other images")
    (sentence,) = store.differences()
    assert "data/raw is not what data/raw.dvc says" in sentence and sentence.endswith(": more/a.parquet differ.")


def test_a_folder_that_is_gone_is_named_and_restored(store: DvcStore) -> None:
    before = {path.name: path.read_bytes() for path in store.layout.raw.rglob("*.parquet")}
    for path in store.layout.raw.rglob("*.parquet"):
        path.unlink()
    assert store.restore(md5(store), store.layout.raw)
    assert {path.name: path.read_bytes() for path in store.layout.raw.rglob("*.parquet")} == before
    assert list(store.differences()) == []


def test_a_cache_that_was_edited_or_emptied_restores_nothing(store: DvcStore, tmp_path: Path) -> None:
    digest = md5(store)
    cache = store.layout.root / ".dvc" / "cache" / "files" / "md5"
    files = [path for path in cache.rglob("*") if path.is_file() and not path.name.endswith(".dir")]
    files[0].chmod(0o644)
    files[0].write_bytes(b"edited")
    assert len(store.damage(digest).edited) == 1 and not store.restore(digest, tmp_path / "new")
    files[0].unlink()
    assert len(store.damage(digest).missing) == 1 and not store.restore(digest, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "a/../../b"])
def test_a_list_that_leads_out_of_its_folder_is_not_followed(store: DvcStore, tmp_path: Path, name: str) -> None:
    content = json.dumps([{"md5": hashlib.md5(b"images").hexdigest(), "relpath": name}], sort_keys=True).encode()
    digest = hashlib.md5(content).hexdigest()
    path = store.layout.root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / f"{digest[2:]}.dir"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    (sentence,) = store.damage(f"{digest}.dir").edited
    assert "leads out of it" in sentence
    assert not store.restore(f"{digest}.dir", tmp_path / "new")


@pytest.mark.parametrize("text", ["", "[", "stages: 3", "stages: {a: {outs: [{path: ../x, md5: y}]}}"])
def test_a_lock_that_is_none_is_said(store: DvcStore, text: str) -> None:
    (store.layout.root / "dvc.lock").write_text(text)
    (sentence,) = store.differences()
    assert sentence.startswith("dvc.lock ")
