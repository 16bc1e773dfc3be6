from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from stated import facts

from ganops.errors import DamagedFile, UserError
from ganops.layout import Layout
from ganops.provenance.facts import Facts
from ganops.stages import reproduce as stage


class Pipeline:
    """Must not be asked to run anything here."""

    def init(self) -> None: ...

    def add(self, path: Path) -> None: ...

    def run(self, name: str, on_line: Callable[[str], None]) -> bool:
        raise AssertionError(f"{name} was run")

    def pull(self, path: Path) -> None:
        raise AssertionError("the cache has it")


def stated(repository: Path, **files: str) -> Facts:
    there = {name: (repository / name).read_text() for name in ("params.yaml", "dvc.yaml")}
    there |= {"data/raw.dvc": "outs: []\n", ".dvc/config": "", **files}
    return facts().replaced(code=facts().code.replaced(workspace_files=there))


def reproduce(said: Facts, folder: Path, data: bytes = b"images") -> None:
    def restored(md5: str, raw: Path) -> bool:
        raw.mkdir(parents=True)
        (raw / "images-00000.parquet").write_bytes(data)
        return True

    stage.reproduce(said, folder, lambda layout: Pipeline(), restored)


def test_a_folder_that_holds_something_is_left_alone(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        reproduce(stated(repository), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "command", ["rm -rf /", "ganops validate; rm -rf /", "ganops run", "ganops train ${key} && true", "ganops train x"]
)
def test_a_pipeline_that_runs_something_else_is_not_run(repository: Path, tmp_path: Path, command: str) -> None:
    said = stated(repository)
    pipeline = said.code.workspace_files["dvc.yaml"].replace("cmd: ganops validate", f"cmd: {command}")
    with pytest.raises(UserError, match="not a stage of GanOps"):
        reproduce(stated(repository, **{"dvc.yaml": pipeline}), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("pipeline", ["", "[", "stages: 3", "stages: {a: {}}"])
def test_a_pipeline_that_is_none_is_said(repository: Path, tmp_path: Path, pipeline: str) -> None:
    with pytest.raises(DamagedFile, match=r"dvc\.yaml cannot be read"):
        reproduce(stated(repository, **{"dvc.yaml": pipeline}), tmp_path / "new")


def test_other_images_than_those_that_were_stated_are_refused(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match=r"images-00000\.parquet was changed"):
        reproduce(stated(repository), tmp_path / "new")


def test_nothing_but_settings_and_pointers_is_written(repository: Path, tmp_path: Path) -> None:
    said = stated(repository, **{"flows/retrain.py": "import os\n", "keys/ganops.pub": "mine\n"})
    with pytest.raises(DamagedFile):
        reproduce(said, tmp_path / "new")
    assert (tmp_path / "new" / "flows" / "retrain.py").read_text() != "import os\n"
    assert not (tmp_path / "new" / "keys").exists()


def test_of_dvcs_settings_only_its_remotes_are_taken(repository: Path, tmp_path: Path) -> None:
    config = "[core]\n remote = far\n hardlink_lock = true\n[cache]\n dir = /somebody/elses\n['remote \"far\"']\n url = s3://b\n"
    with pytest.raises(DamagedFile):
        reproduce(stated(repository, **{".dvc/config": config}), tmp_path / "new")
    written = (Layout(tmp_path / "new").root / ".dvc" / "config").read_text()
    assert "s3://b" in written and "remote = far" in written
    assert "cache" not in written and "hardlink" not in written


def test_a_statement_without_its_settings_makes_nothing(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not hold dvc\.yaml"):
        reproduce(facts(), tmp_path / "new")
