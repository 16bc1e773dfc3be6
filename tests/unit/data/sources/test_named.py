"""The sources that have a name instead of a path."""

from __future__ import annotations

import builtins
import functools
import gzip
import hashlib
import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganops.data.sources import RawImage, fashion_mnist, open_source
from ganops.errors import SourceRefused, Unreachable


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SourceRefused, match=r"pip install 'ganops\[demo\]'"):
        list(open_source("digits"))


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the public one, with one tiny image in each split."""
    folder = tmp_path / "remote"
    folder.mkdir()
    digests = {}
    for number, name in enumerate(fashion_mnist.MD5_UNCOMPRESSED):
        is_images = "images" in name
        head = struct.pack(">4B3I", 0, 0, 8, 3, 1, 8, 8) if is_images else struct.pack(">4BI", 0, 0, 8, 1, 1)
        content = head + bytes([number] * (64 if is_images else 1))
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        digests[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(fashion_mnist, "MD5_UNCOMPRESSED", digests)
    return folder


@pytest.fixture
def served(remote: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(remote)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_fashion_mnist_is_fetched_once(tmp_path: Path, served: str, remote: Path) -> None:
    source = fashion_mnist.FashionMnist(served, tmp_path / "cache")
    first = list(source)
    assert [item.split for item in first if isinstance(item, RawImage)] == ["train", "test"]
    for path in remote.iterdir():
        path.unlink()
    assert list(source) == first


def test_a_changed_file_is_fetched_again(tmp_path: Path, served: str) -> None:
    source = fashion_mnist.FashionMnist(served, tmp_path / "cache")
    first = list(source)
    next((tmp_path / "cache").iterdir()).write_bytes(b"broken")
    assert list(source) == first


def test_another_content_is_refused_and_not_kept(tmp_path: Path, served: str, remote: Path) -> None:
    (remote / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(SourceRefused, match="MD5 differs"):
        list(fashion_mnist.FashionMnist(served, tmp_path / "cache"))
    assert not [path for path in (tmp_path / "cache").iterdir() if "t10k-labels" in path.name]


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "file:///no/such/folder", "served/nothing"])
def test_no_network_is_one_paragraph_with_a_way_out(tmp_path: Path, base: str, request: pytest.FixtureRequest) -> None:
    url = base.replace("served", request.getfixturevalue("served")) if "served" in base else base
    with pytest.raises(Unreachable, match="could not be fetched") as caught:
        list(fashion_mnist.FashionMnist(url, tmp_path / "cache"))
    said = str(caught.value)
    assert "ganops data add FOLDER" in said and "ganops score FOLDER B" in said and "\n" not in said
    assert "Errno" not in said and caught.value.exit_code == 1
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fashion_mnist.cache_folder() == tmp_path / "ganops"
