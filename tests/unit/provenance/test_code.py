from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganops.provenance import code


def listed(stage: str) -> set[str]:
    return {line.split("  ")[1] for line in code.sources_listing(stage).splitlines()}


def test_a_stage_lists_what_it_imports_and_not_what_it_does_not() -> None:
    train, prepare = listed("train"), listed("prepare")
    assert {"ganops/stages/train.py", "ganops/training/loop.py", "ganops/models/lite.py"} <= train
    assert not {path for path in prepare if path.startswith(("ganops/models/", "ganops/training/"))}
    assert "ganops/gate.py" not in train and "ganops/cli.py" not in train
    assert "ganops/adapters/gx_validator.py" in listed("validate")


def test_stages_without_vendors_list_no_adapter() -> None:
    for stage in ("prepare", "reference", "train", "evaluate"):
        assert not {path for path in listed(stage) if "adapters" in path}, stage


def test_refresh_writes_what_changed_and_touches_nothing_else(tmp_path: Path) -> None:
    code.refresh(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(code.ROOTS)
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    (tmp_path / "train.sha256").write_text("of an older version\n")
    code.refresh(tmp_path)
    assert (tmp_path / "train.sha256").read_text() == code.sources_listing("train")
    assert (tmp_path / "prepare.sha256").stat().st_mtime == 1


def test_a_relative_import_would_be_missed_and_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("from . import other\nfrom .other import thing\n")
    with pytest.raises(AssertionError, match="absolute"):
        list(code._imports(path))
