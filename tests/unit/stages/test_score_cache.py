from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganops.files import cache_folder
from ganops.stages.score_cache import Arrays, Cache

KEY = {"what": "features", "images": "a" * 64}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, said: list[str]) -> Cache:
    return Cache(tmp_path / "cache", say=said.append)


class Counted:
    """Makes an array, and counts how often."""

    def __init__(self, length: int = 3) -> None:
        self.times, self._length = 0, length

    def __call__(self) -> Arrays:
        self.times += 1
        return {"features": np.arange(self._length, dtype=np.float32), "empty": np.empty((3, 0), np.float32)}


def entries(cache: Cache) -> list[Path]:
    assert cache.folder is not None
    return sorted(cache.folder.rglob("*.entry"))


def test_what_was_made_once_is_not_made_again(cache: Cache, said: list[str]) -> None:
    make = Counted()
    first, second = cache.recall(KEY, make), cache.recall(dict(reversed(KEY.items())), make)
    assert make.times == 1 and said == []
    assert np.array_equal(first["features"], second["features"]) and second["empty"].shape == (3, 0)
    cache.recall({**KEY, "images": "b" * 64}, make)
    assert make.times == 2 and len(entries(cache)) == 2


def cut(content: bytes) -> bytes:
    return content[:-1]


def changed(content: bytes) -> bytes:
    return content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]


@pytest.mark.parametrize("harm", [cut, changed, lambda content: b"", lambda content: b"\xff" * 200])
def test_a_damaged_entry_is_made_again_and_told(cache: Cache, said: list[str], harm: Callable[[bytes], bytes]) -> None:
    make = Counted()
    whole = cache.recall(KEY, make)
    (entry,) = entries(cache)
    entry.write_bytes(harm(entry.read_bytes()))
    again = cache.recall(KEY, make)
    assert make.times == 2 and np.array_equal(whole["features"], again["features"])
    assert len(said) == 1 and str(entry) in said[0] and "damaged" in said[0]
    cache.recall(KEY, make)
    assert make.times == 2


def test_entries_that_were_not_used_for_longest_make_room(tmp_path: Path) -> None:
    cache, keys = Cache(tmp_path, limit_bytes=3000), [{"number": number} for number in range(3)]
    make = Counted(250)  # about 1,200 bytes
    for age, key in ((50, keys[0]), (40, keys[1])):
        before = set(entries(cache))
        cache.recall(key, make)
        (new,) = set(entries(cache)) - before
        os.utime(new, (age, age))
    cache.recall(keys[0], make)  # the older one is used
    cache.recall(keys[2], make)
    assert make.times == 3 and len(entries(cache)) == 2
    cache.recall(keys[0], make)
    assert make.times == 3
    cache.recall(keys[1], make)
    assert make.times == 4


def test_what_is_larger_than_the_whole_cache_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit_bytes=1000)
    cache.recall(KEY, Counted(1000))
    assert entries(cache) == []


def test_without_a_folder_nothing_is_kept() -> None:
    make = Counted()
    for _ in range(2):
        Cache(None).recall(KEY, make)
    assert make.times == 2


def test_a_cache_that_cannot_be_written_is_told_and_done_without(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").touch()
    found = Cache(tmp_path / "file", say=said.append).recall(KEY, Counted())
    assert len(found["features"]) == 3 and "cannot be written" in said[-1]


@pytest.mark.parametrize(("name", "below"), [("GANOPS_CACHE", "."), ("XDG_CACHE_HOME", "ganops")])
def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, below: Any) -> None:
    monkeypatch.delenv("GANOPS_CACHE", raising=False)
    monkeypatch.setenv(name, str(tmp_path))
    assert cache_folder() == tmp_path / below
