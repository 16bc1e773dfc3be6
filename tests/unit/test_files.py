from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ganops import files
from ganops.errors import DamagedFile


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_json(path, {"new": 2})
    assert files.read_json(path) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (files.read_plain, files.read_json):
        with pytest.raises((OSError, DamagedFile), match="no plain file"):
            read(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        files.read_plain(tmp_path)


def test_what_is_larger_than_it_can_be_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.json"
    path.write_text("{}")
    assert files.read_json(path) == {}
    os.truncate(path, 10 * 2**40)
    for read in (files.read_plain, files.read_text, files.read_json):
        with pytest.raises((OSError, DamagedFile), match="it has 10,995,116,277,760 bytes, of 64,000,000 at most"):
            read(path)


def test_text_comes_with_line_feeds(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("ä\r\nb\rc\n".encode())
    assert files.read_text(tmp_path / "text") == (tmp_path / "text").read_text(encoding="utf-8") == "ä\nb\nc\n"


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[" * 100_000])
def test_what_is_no_json_is_named_with_how_to_get_it_back(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"a.json is damaged .*dvc checkout"):
        files.read_json(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError):
        files.read_json(tmp_path / "b.json")


def test_written_files_are_readable_by_a_team(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "text")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) & 0o044 == 0o044


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with files.replace_directory(target) as folder:
        (folder / "one").write_text("1")
    with pytest.raises(RuntimeError), files.replace_directory(target) as folder:
        (folder / "two").write_text("2")
        raise RuntimeError("killed half-way")
    assert [entry.name for entry in target.iterdir()] == ["one"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["target"]


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert files.digest_json({"a": 1, "b": [2]}) == files.digest_json({"b": [2], "a": 1})
    assert files.digest_json({"a": 1}) != files.digest_json({"a": 2})
