"""Real DVC and git, on a pipeline of two small stages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ganops.adapters.dvc_pipeline import DvcPipeline
from ganops.errors import DamagedFile, PipelineError, RunStopped, ValidationFailed, WorkspaceError
from ganops.layout import Layout

PIPELINE = """
stages:
  validate:
    cmd: {python} stage.py data/raw/a.txt data/validated
    deps: [data/raw, stage.py]
    outs: [data/validated]
  train:
    foreach: [one, two, three]
    do:
      cmd: {python} stage.py data/validated data/candidates/${{item}}/train
      deps: [data/validated]
      outs: ["data/candidates/${{item}}/train"]
"""
STAGE = """
import os, pathlib, sys, time
from ganops.process import die_with_parent
die_with_parent()
source, target = map(pathlib.Path, sys.argv[1:])
if os.environ.get("STAGE_SLEEP"):
    print("progress 1 2 asleep", flush=True)
    time.sleep(float(os.environ["STAGE_SLEEP"]))
if source.is_file() and "bad" in source.read_text():
    print("error ValidationFailed: the rule 'good' does not hold: a.txt", file=sys.stderr)
    sys.exit(3)
target.mkdir(parents=True)
(target / "out.txt").write_text(source.name)
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> DvcPipeline:
    layout = Layout(tmp_path)
    layout.pipeline.write_text(PIPELINE.format(python=sys.executable))
    (tmp_path / "stage.py").write_text(STAGE)
    layout.raw.mkdir(parents=True)
    (layout.raw / "a.txt").write_text("good")
    pipeline = DvcPipeline(layout)
    pipeline.init()
    pipeline.add(layout.raw)
    return pipeline


def test_a_stage_runs_once_and_is_then_up_to_date(pipeline: DvcPipeline) -> None:
    lines: list[str] = []
    assert "validate" in pipeline.changed()
    assert pipeline.run("validate", lines.append)
    assert any("Running stage 'validate'" in line for line in lines)
    assert not pipeline.run("validate", lines.append)
    assert "validate" not in pipeline.changed()


def test_a_stages_own_error_comes_through_as_itself(pipeline: DvcPipeline) -> None:
    (pipeline.layout.raw / "a.txt").write_text("bad")
    with pytest.raises(ValidationFailed) as raised:
        pipeline.run("validate", lambda line: None)
    assert str(raised.value) == "the rule 'good' does not hold: a.txt" and raised.value.exit_code == 3
    assert not pipeline.layout.validated.exists()


def test_what_dvc_itself_says_is_passed_on(pipeline: DvcPipeline) -> None:
    with pytest.raises(PipelineError, match=r"no_such_stage"):
        pipeline.run("no_such_stage", lambda line: None)


def test_side_by_side_stages_do_not_fail_on_the_lock(pipeline: DvcPipeline) -> None:
    pipeline.run("validate", lambda line: None)
    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda name: pipeline.run(f"train@{name}", lambda line: None), ["one", "two", "three"]))
    assert ran == [True, True, True]
    assert not pipeline.changed()


def test_stopping_ends_the_stage_and_all_below_it(pipeline: DvcPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE_SLEEP", "120")
    asleep = threading.Event()
    failed: list[Exception] = []

    def run() -> None:
        try:
            pipeline.run("validate", lambda line: asleep.set() if line.startswith("progress") else None)
        except RunStopped as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert asleep.wait(60)
    pipeline.stop()
    thread.join(20)
    assert not thread.is_alive() and failed
    assert not [cwd for cwd in Path("/proc").glob("[0-9]*/cwd") if _points_to(cwd, pipeline.layout.root)]


def _points_to(link: Path, target: Path) -> bool:
    try:
        return link.readlink() == target
    except OSError:  # the process has ended meanwhile
        return False


def test_a_killed_run_is_taken_up_by_the_next(pipeline: DvcPipeline) -> None:
    code = (
        "import sys; from pathlib import Path; from ganops.adapters.dvc_pipeline import DvcPipeline\n"
        "from ganops.layout import Layout\n"
        "DvcPipeline(Layout(Path(sys.argv[1]))).run('validate', lambda line: print(line, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(pipeline.layout.root)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "STAGE_SLEEP": "60"},
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("progress"):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert pipeline.run("validate", lambda line: None)
    assert (pipeline.layout.validated / "out.txt").read_text() == "a.txt"


def test_history_is_kept_in_git(pipeline: DvcPipeline) -> None:
    assert pipeline.commit("Begin")
    assert pipeline.git_commit_id()
    assert not pipeline.commit("Nothing new")
    tracked = subprocess.run(["git", "ls-files"], cwd=pipeline.layout.root, capture_output=True, text=True, check=True)
    assert "data/raw.dvc" in tracked.stdout and "data/raw/a.txt" not in tracked.stdout


def test_the_data_version_changes_with_the_data(pipeline: DvcPipeline) -> None:
    before = pipeline.data_version()
    (pipeline.layout.raw / "b.txt").write_text("more")
    pipeline.add(pipeline.layout.raw)
    assert pipeline.data_version() != before


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("dvc.yaml", "git checkout dvc.yaml"),
        ("dvc.lock", "git checkout dvc.lock`, or delete it"),
        ("data/raw.dvc", "git checkout data/raw.dvc"),
    ],
)
def test_a_damaged_file_of_dvcs_is_named_with_how_to_get_it_back(tmp_path: Path, name: str, advice: str) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "data").mkdir()
    pipeline = DvcPipeline(Layout(tmp_path))
    pipeline.require_usable()
    for content in (b"", b"\xff\xfe", b"]]", b"just words", b"a: 1", b"schema: [2]\nstages: 3\nouts: {}"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DamagedFile) as raised:
            pipeline.require_usable()
        said = str(raised.value)
        assert str(tmp_path / name) in said and advice in said and "\n" not in said


def test_a_pointer_without_a_digest_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "raw.dvc").write_text("outs: []\n")
    with pytest.raises(DamagedFile, match=r"raw.dvc is damaged .*dvc add data/raw"):
        DvcPipeline(Layout(tmp_path)).data_version()


def test_a_lock_file_that_was_deleted_is_written_anew_from_the_cache(pipeline: DvcPipeline) -> None:
    pipeline.run("validate", lambda line: None)
    lock = pipeline.layout.root / "dvc.lock"
    before = lock.read_bytes()
    lock.unlink()
    assert not pipeline.run("validate", lambda line: None)
    assert lock.read_bytes() == before


def test_a_lost_history_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"in no git repository any more.*git init"):
        DvcPipeline(Layout(tmp_path)).require_usable()


def test_no_data_and_no_git_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = DvcPipeline(Layout(tmp_path))
    with pytest.raises(WorkspaceError, match="ganops data add"):
        pipeline.data_version()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkspaceError, match="Install git"):
        pipeline.init()


def test_a_folder_that_a_repository_ignores_gets_its_own(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("/demo/\n")
    (tmp_path / "demo").mkdir()
    pipeline = DvcPipeline(Layout(tmp_path / "demo"))
    pipeline.init()
    (tmp_path / "demo" / "params.yaml").write_text("seed: 0")
    assert pipeline.commit("Begin")
    assert (tmp_path / "demo" / ".git").is_dir()


def test_a_workspace_inside_another_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    inner = tmp_path / "inner"
    inner.mkdir()
    pipeline = DvcPipeline(Layout(inner))
    pipeline.init()
    (inner / "params.yaml").write_text("seed: 0")
    (inner / "notes.txt").write_text("the user's own")
    (tmp_path / "outside.txt").write_text("not ours")
    assert pipeline.commit("Only what is below the workspace")
    tracked = subprocess.run(["git", "ls-files"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "inner/params.yaml" in tracked
    assert "outside.txt" not in tracked and "notes.txt" not in tracked
