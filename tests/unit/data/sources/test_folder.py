from __future__ import annotations

import inspect
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ganops.data.raw_store import add
from ganops.data.sources import RawImage, Refusal, open_source
from ganops.data.sources import folder as folder_module
from ganops.errors import SourceRefused, UserError
from ganops.layout import Layout


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def taken(source: str | Path) -> list[tuple[str, str | None, str | None]]:
    return [(item.path, item.label, item.split) for item in open_source(str(source)) if isinstance(item, RawImage)]


def refused(source: str | Path) -> dict[str, str]:
    return {item.path: item.reason for item in open_source(str(source)) if isinstance(item, Refusal)}


def test_class_subfolders_are_labels_and_order_is_by_name(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    for name in ("dog/b.png", "cat/deep/z.png", "cat/a.png", ".hidden/x.png", "cat/.x.png"):
        put(tmp_path / name, picture())
    assert taken(tmp_path) == [("cat/a.png", "cat", None), ("cat/deep/z.png", "cat", None), ("dog/b.png", "dog", None)]


def test_a_flat_folder_has_no_labels(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    put(tmp_path / "b.png", picture())
    put(tmp_path / "a.jpg", picture(kind="JPEG"))
    assert taken(tmp_path) == [("a.jpg", None, None), ("b.png", None, None)]


def test_train_and_test_on_top_are_the_sources_split(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    for name in ("train/cat/1.png", "test/cat/2.png", "val/dog/3.png", "readme.txt"):
        put(tmp_path / name, picture())
    assert taken(tmp_path) == [
        ("readme.txt", None, None),
        ("test/cat/2.png", "cat", "test"),
        ("train/cat/1.png", "cat", "train"),
        ("val/dog/3.png", "dog", "test"),
    ]


def test_links_that_leave_the_folder_are_refused(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    put(tmp_path / "outside" / "secret.png", picture())
    put(tmp_path / "in" / "a.png", picture())
    (tmp_path / "in" / "inner.png").symlink_to(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "out.png").symlink_to(tmp_path / "outside" / "secret.png")
    (tmp_path / "in" / "outdir").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "nothing.png").symlink_to(tmp_path / "in" / "gone.png")
    assert [path for path, _, _ in taken(tmp_path / "in")] == ["a.png", "inner.png"]
    assert refused(tmp_path / "in") == {
        "loop": "a link to a folder, which is not followed",
        "nothing.png": "not a regular file, or a link to nothing",
        "out.png": "a link that leaves the folder",
        "outdir": "a link that leaves the folder",
    }


def test_pipes_and_large_files_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    put(tmp_path / "video.mp4", b"x" * 2000)
    monkeypatch.setattr(folder_module, "MAX_ENCODED_BYTES", 1000)
    assert set(refused(tmp_path)) == {"pipe.png", "video.mp4"}


def test_a_single_image(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    put(tmp_path / "one.png", picture())
    assert taken(tmp_path / "one.png") == [("one.png", None, None)]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="is empty"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("spec", ["", "no/such/thing"])
def test_a_missing_path_is_wrong_use_and_says_what_a_source_is(spec: str) -> None:
    with pytest.raises(UserError, match="A source is digits, fashion-mnist"):
        open_source(spec)


def test_a_folder_of_text_files_is_refused_and_writes_nothing(tmp_path: Path, layout: Layout) -> None:
    for name in ("a.txt", "b.txt"):
        put(tmp_path / "texts" / name, b"hello\n")
    with pytest.raises(SourceRefused, match=r"Nothing in texts .* 2 refused.*a\.txt: not an image"):
        add(layout, open_source(str(tmp_path / "texts")))
    assert not layout.raw.exists()


def test_a_folder_of_empty_folders_is_refused(tmp_path: Path, layout: Layout) -> None:
    (tmp_path / "classes" / "cat").mkdir(parents=True)
    with pytest.raises(SourceRefused, match="holds no images"):
        add(layout, open_source(str(tmp_path / "classes")))


def test_folders_nest_deeper_than_pythons_stack(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    put(tmp_path / "cat" / "/".join("d" * 300) / "x.png", picture())
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 200)  # a tree of 1000 levels would do, but nothing clears it away
    try:
        assert [label for _, label, _ in taken(tmp_path)] == ["cat"]
    finally:
        sys.setrecursionlimit(limit)


def test_a_file_that_is_gone_when_it_is_read_is_refused_alone(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    put(tmp_path / "a.png", picture())
    put(tmp_path / "b.png", picture())
    items = iter(open_source(str(tmp_path)))
    assert isinstance(next(items), RawImage)
    (tmp_path / "b.png").unlink()
    second = next(items)
    assert isinstance(second, Refusal) and second.path == "b.png"


def test_a_file_that_cannot_be_read_is_refused_alone(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    put(tmp_path / "a.png", picture())
    source = open_source(str(tmp_path))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "stat", _denied)
        (item,) = source
    assert item == Refusal("a.png", "cannot be read: Permission denied")


def _denied(self: Path, **_: object) -> os.stat_result:
    raise PermissionError(13, "Permission denied", str(self))


def test_names_of_any_bytes_are_told_apart(tmp_path: Path, layout: Layout, picture: Callable[..., bytes]) -> None:
    for number, name in enumerate((b"caf\xe8", b"caf\xe9", "café".encode())):
        put(Path(os.fsdecode(bytes(tmp_path / "all\udcff") + b"/" + name + b"/1.png")), picture(number))
    report = add(layout, open_source(str(tmp_path / "all\udcff")))
    assert report.source == r"all\udcff"
    assert set(report.labels) == {r"caf\udce8", r"caf\udce9", "café"}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: bind(path)])
def test_only_a_regular_file_is_a_source(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "x.png")
    with pytest.raises(SourceRefused, match=r"x\.png is a (named pipe|device|socket), where a regular file"):
        open_source(str(tmp_path / "x.png"))


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def test_a_name_too_long_is_wrong_use() -> None:
    with pytest.raises(UserError, match="File name too long"):
        open_source("a" * 5000)
