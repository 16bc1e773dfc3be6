from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ganops import workspace
from ganops.errors import ConfigError, WorkspaceBusy, WorkspaceError
from ganops.layout import Layout

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return workspace.create(tmp_path / "mine")


def test_a_new_workspace_is_a_copy_of_the_repositorys_root(layout: Layout) -> None:
    for name in ("params.yaml", "dvc.yaml", "prefect.yaml", "flows/retrain.py", "mlflow/compose.yaml", ".gitignore"):
        assert (layout.root / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_sparse_parameters_are_not_read(layout: Layout) -> None:
    os.truncate(layout.params, 10 * 2**40)
    with pytest.raises(WorkspaceError, match=r"params\.yaml cannot be read: it has 10,995,116,277,760 bytes"):
        workspace.load(layout)


def test_it_is_found_from_below(layout: Layout) -> None:
    deep = layout.root / "data" / "raw"
    deep.mkdir(parents=True)
    assert workspace.find(deep).root == layout.root


def test_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="ganops init DIR"):
        workspace.find(tmp_path)


def test_a_second_init_is_refused(layout: Layout) -> None:
    before = layout.params.read_bytes()
    with pytest.raises(WorkspaceError, match="is a workspace already"):
        workspace.create(layout.root)
    assert layout.params.read_bytes() == before


def test_a_gitignore_that_was_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine.txt\n")
    workspace.create(tmp_path)
    assert (tmp_path / ".gitignore").read_text().startswith("mine.txt\n")
    assert "/.ganops/" in (tmp_path / ".gitignore").read_text()


def test_an_edit_keeps_comments_and_is_checked(layout: Layout) -> None:
    workspace.edit_params(layout, {"seed": 7, "candidates.lite.kimg": 20})
    text = layout.params.read_text()
    assert "# a split" not in text and "# The pinned extractor" in text
    config = workspace.load(layout).config
    assert (config.seed, config.candidates["lite"].kimg) == (7, 20)
    with pytest.raises(ConfigError, match="seed"):
        workspace.edit_params(layout, {"seed": -1})
    assert layout.params.read_text() == text


@pytest.mark.parametrize("text", ["a: [1", "just words", "\t- x", "candidates: 3"])
def test_a_broken_params_file_is_one_paragraph(layout: Layout, text: str) -> None:
    layout.params.write_text(text)
    with pytest.raises(ConfigError) as raised:
        workspace.load(layout)
    assert "\n" not in str(raised.value) and "params.yaml" in str(raised.value)


LEVELS = [f"&l{level} [{', '.join(9 * [f'*l{level - 1}'])}]" for level in range(1, 9)]
BOMB = ["a: &l0 x", *(f"b{level}: {text}" for level, text in enumerate(LEVELS))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "but it is empty."),
        ("- 1", "but it holds a list."),
        ("train: &t {guard: *t}", "an anchor in it holds itself"),
        ("&t [*t]", "an anchor in it holds itself"),
        ("\n".join(BOMB), "with its aliases written out it is longer than"),
        (f"[&l0 x, {', '.join(LEVELS)}]", "with its aliases written out it is longer than"),
        (f"a: &l0 x\nb: 1\nb: [{', '.join(LEVELS)}]", "with its aliases written out it is longer than"),
        ("a: &a0 [x]\n" + "".join(f"k{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000)), "more than 20 levels deep"),
        (5000 * "[", "more than 20 levels deep"),
        (5000 * "{a: ", "more than 20 levels deep"),
        (1000 * "- ", "more than 20 levels deep"),
        (300_000 * " ", "it is longer than 200000 characters"),
        ("a: 1\na: 2", "the key 'a' stands twice in one section, in lines 1 and 2: rename or delete one."),
        ("b:\n  a: {}\n  c: 1\n  'a': {}", "the key 'a' stands twice in one section, in lines 2 and 4: rename"),
        ("b: {a: 1, c: 3, a: 1}", "the key 'a' stands twice in one section, in line 1: rename"),
        ("a: 1\nseed: " + 5001 * "9", "the number in line 2 has 5001 digits, more than 1000."),
    ],
    ids=range(16),
)
def test_a_file_that_is_none_is_refused_at_once_and_shortly(layout: Layout, text: str, said: str) -> None:
    layout.params.write_text(text)
    with pytest.raises(ConfigError) as raised:
        workspace.load(layout)
    assert said in str(raised.value) and str(layout.params) in str(raised.value)
    assert len(str(raised.value)) < 500 and "http" not in str(raised.value)


def test_another_encoding_is_named(layout: Layout) -> None:
    layout.params.write_bytes("# größer".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"can't decode .* Save it as UTF-8\."):
        workspace.load(layout)


def test_anchors_aliases_and_merges_are_read(layout: Layout) -> None:
    layout.params.write_text(
        "candidates:\n  one: &one {preset: digits-cpu, kimg: 5}\n  two: {<<: *one, kimg: 7}\n  three: *one\n"
    )
    candidates = workspace.load(layout).config.candidates
    assert [candidate.kimg for candidate in candidates.values()] == [5, 7, 5]


def test_one_holder_at_a_time_and_a_killed_one_lets_go(layout: Layout) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ganops import workspace; from ganops.layout import Layout\n"
        "with workspace.exclusive(Layout(Path(sys.argv[1])), 'ganops run'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(layout.root)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    busy = pytest.raises(WorkspaceBusy, match=rf"in use by `ganops run` \(process {holder.pid}\)")
    with busy, workspace.exclusive(layout, "ganops data add"):
        pytest.fail("two holders")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with workspace.exclusive(layout, "ganops data add"):
        pass


def test_those_who_share_keep_out_one_who_does_not_and_the_other_way_round(layout: Layout) -> None:
    with workspace.shared(layout, "ganops train a"), workspace.shared(layout, "ganops train b"):
        busy = pytest.raises(WorkspaceBusy, match="in use by `ganops train b`")
        with busy, workspace.exclusive(layout, "ganops run"):
            pytest.fail("a run beside a stage")
    with workspace.exclusive(layout, "ganops run"):
        busy = pytest.raises(WorkspaceBusy, match="in use by `ganops run`")
        with busy, workspace.shared(layout, "ganops validate"):
            pytest.fail("a stage beside a run")


def test_a_lock_that_cannot_be_opened_is_named(layout: Layout) -> None:
    (layout.state / "run.lock").mkdir(parents=True)
    refused = pytest.raises(WorkspaceError, match=r"run.lock cannot be opened: Is a directory")
    with refused, workspace.exclusive(layout, "ganops run"):
        pytest.fail("held nothing")


def test_a_lock_that_is_no_regular_file_is_named(layout: Layout) -> None:
    layout.state.mkdir()
    os.mkfifo(layout.state / "run.lock")
    refused = pytest.raises(WorkspaceError, match=r"run.lock is no regular file. Delete it")
    with refused, workspace.exclusive(layout, "ganops run"):
        pytest.fail("held nothing")


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml"])
def test_a_workspace_that_lost_a_file_says_which(layout: Layout, name: str) -> None:
    layout.state.mkdir()
    (layout.root / name).unlink()
    with pytest.raises(WorkspaceError, match=rf"{name} is missing. Restore it with `git checkout {name}`"):
        workspace.find(layout.root)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("pipe", "is no regular file"),
        ("zero", "is no regular file"),
        ("nowhere", "is a link to no"),
        ("folder", "is a fo"),
    ],
)
def test_a_settings_file_that_is_none_is_not_called_missing(layout: Layout, way: str, said: str) -> None:
    layout.state.mkdir()
    layout.params.unlink()
    if way == "pipe":
        os.mkfifo(layout.params)
    elif way == "folder":
        layout.params.mkdir()
    else:
        layout.params.symlink_to("/dev/zero" if way == "zero" else "nowhere")
    with pytest.raises(WorkspaceError, match=rf"params.yaml {said}.*Move it away, and restore it with `git checkout p"):
        workspace.find(layout.root)


def test_a_place_that_cannot_be_looked_at_is_wrong_use_and_shortly_named(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"File name too long. Name an existing folder") as raised:
        workspace.find(tmp_path / (5000 * "x"))
    assert len(str(raised.value)) < 300
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(WorkspaceError, match=r"No workspace"):
        workspace.find(tmp_path / "loop")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        workspace.create(tmp_path / "file" / "mine")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        workspace.require_writable(Layout(tmp_path / "file"))
