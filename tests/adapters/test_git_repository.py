from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ganops.adapters.git_repository import GitRepository


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """A workspace in a folder of a repository, all of it committed."""
    root = tmp_path / "outer" / "mine"
    (root / "journal").mkdir(parents=True)
    (root / "params.yaml").write_text("seed: 0\n")
    (root / ".gitignore").write_text("ignored\n")
    git(root.parent, "init", "--quiet")
    git(root.parent, "add", "--all")
    git(root.parent, "commit", "--quiet", "--message", "all")
    return GitRepository(root)


def test_a_clean_repository_has_nothing_uncommitted(repository: GitRepository) -> None:
    state = repository.state()
    assert state.commit is not None and len(state.commit) == 40
    assert (state.uncommitted, state.changed) == (None, ())
    assert repository.holds(state.commit) and not repository.holds("0" * 40)


def test_what_differs_from_the_commit_is_named_and_digested(repository: GitRepository) -> None:
    (repository.root / "params.yaml").write_text("seed: 1\n")
    edited = repository.state()
    (repository.root / "new ü.txt").write_text("new")
    added = repository.state()
    (repository.root / "new ü.txt").write_text("newer")
    assert edited.changed == ("params.yaml",) and added.changed == ("new ü.txt", "params.yaml")
    assert len({edited.uncommitted, added.uncommitted, repository.state().uncommitted, None}) == 4


def test_what_is_ignored_and_the_journal_do_not_count(repository: GitRepository) -> None:
    (repository.root / "ignored").write_text("a checkpoint")
    (repository.root / "journal" / "journal.jsonl").write_text("a line")
    (repository.root.parent / "elsewhere").write_text("of another project")
    assert repository.state().uncommitted is None


def test_files_are_read_as_they_were_committed(repository: GitRepository) -> None:
    (repository.root / "params.yaml").write_text("seed: 1\n")
    assert repository.committed("params.yaml") == b"seed: 0\n"
    assert repository.committed("dvc.lock") is None


def test_annotated_tags_come_with_their_messages(repository: GitRepository) -> None:
    git(
        repository.root,
        "tag",
        "--annotate",
        "--message",
        "promoted: version 1\n\njournal 3:abc",
        "ganops/m/v1-promoted-3",
    )
    git(repository.root, "tag", "--annotate", "--message", "another", "ganops/other/v1")
    assert repository.tag_messages("ganops/m/*") == {"ganops/m/v1-promoted-3": "promoted: version 1\n\njournal 3:abc"}


def test_without_a_repository_there_is_nothing_to_read(tmp_path: Path) -> None:
    repository = GitRepository(tmp_path)
    assert repository.state().commit is None
    assert repository.committed("params.yaml") is None
    assert repository.tag_messages("ganops/*") == {}
