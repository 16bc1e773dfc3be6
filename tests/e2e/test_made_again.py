"""A version made again from its statement, in an empty folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from user_shell import Shell

pytestmark = pytest.mark.slow


def test_the_champion_is_made_again_byte_for_byte(trained: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    made = trained.json("reproduce", "1", str(folder))
    assert (made["promise"], made["differing"]) == ("same-sha256", [])
    assert made["snapshot"] == made["stated_snapshot"]
    assert made["low"] <= made["fd"] <= made["high"]
    assert not (folder / "journal").exists()


def test_without_the_data_nothing_is_made(copied: Shell, tmp_path: Path) -> None:
    shutil.rmtree(copied.folder / ".dvc" / "cache")
    result = copied("reproduce", "1", str(tmp_path / "again"), expect=1)
    assert "error: " in result.stderr and "dvc pull" in result.stderr
    assert not (tmp_path / "again" / "data" / "candidates").exists()
