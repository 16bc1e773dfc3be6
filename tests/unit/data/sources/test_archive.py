from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganops.data.pixels import encode_png
from ganops.data.sources import RawImage, Refusal, archive, open_source
from ganops.errors import SourceRefused

Pack = Callable[[Path, dict[str, bytes]], None]


def pack_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)


def pack_tar(path: Path, members: dict[str, bytes]) -> None:
    compression = path.suffix.removeprefix(".").replace("tgz", "gz")
    with tarfile.open(path, "w" if compression == "tar" else f"w:{compression}") as file:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))


PACKERS = [("x.zip", pack_zip), ("x.tar", pack_tar), ("x.tar.gz", pack_tar), ("x.tar.xz", pack_tar)]
packers = pytest.mark.parametrize(("name", "pack"), PACKERS)


def taken(path: Path) -> list[tuple[str, str | None, str | None]]:
    return [(item.path, item.label, item.split) for item in open_source(str(path)) if isinstance(item, RawImage)]


@packers
def test_folders_become_labels(tmp_path: Path, name: str, pack: Pack, picture: Callable[..., bytes]) -> None:
    data = picture()
    pack(tmp_path / name, {"cat/1.png": data, "dog/2.png": data, "__MACOSX/cat/._1.png": b"", ".DS_Store": b""})
    source = open_source(str(tmp_path / name))
    assert source.expected == 2
    assert list(source) == [RawImage(data, "cat/1.png", "cat"), RawImage(data, "dog/2.png", "dog")]
    assert list(source) == list(source)


@packers
def test_the_one_folder_around_everything_is_no_label(tmp_path: Path, name: str, pack: Pack) -> None:
    pack(tmp_path / name, {"pets/cat/1.png": b"1", "pets/dog/2.png": b"2"})
    assert [label for _, label, _ in taken(tmp_path / name)] == ["cat", "dog"]
    pack(tmp_path / name, {"pets/1.png": b"1", "pets/2.png": b"2"})
    assert [label for _, label, _ in taken(tmp_path / name)] == [None, None]
    pack(tmp_path / name, {"pets/train/cat/1.png": b"1", "pets/test/cat/2.png": b"2"})
    assert [(label, split) for _, label, split in taken(tmp_path / name)] == [("cat", "train"), ("cat", "test")]


@packers
@pytest.mark.parametrize("bad", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:/evil.png"])
def test_names_that_leave_the_archive_refuse_all_of_it(tmp_path: Path, name: str, pack: Pack, bad: str) -> None:
    pack(tmp_path / name, {"good.png": b"1", bad: b"2"})
    with pytest.raises(SourceRefused, match="refused as a whole"):
        open_source(str(tmp_path / name))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_refuse_all_of_it(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        info = tarfile.TarInfo("link.png")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    with pytest.raises(SourceRefused, match=r"'link\.png' is a link or a device"):
        open_source(str(tmp_path / "x.tar"))


def test_a_link_in_a_zip_refuses_all_of_it(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(SourceRefused, match=r"'link\.png' is a link"):
        open_source(str(tmp_path / "x.zip"))


@packers
def test_a_member_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, name: str, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_ENCODED_BYTES", 10_000)
    pack(tmp_path / name, {"bomb.png": bytes(100_000), "good.png": b"1"})
    first, second = open_source(str(tmp_path / name))
    assert isinstance(first, Refusal) and first.path == "bomb.png"
    assert isinstance(second, RawImage)


@packers
def test_truncated_archives_are_refused(tmp_path: Path, name: str, pack: Pack) -> None:
    path = tmp_path / name
    pack(path, {f"{number}.png": os.urandom(20_000) for number in range(3)})
    path.write_bytes(path.read_bytes()[:45_000])
    with pytest.raises(SourceRefused, match=f"{name}.*truncated"):
        list(open_source(str(path)))


def test_a_damaged_zip_member_is_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("a.png", b"A" * 100)
        file.writestr("b.png", b"B" * 100)
    path.write_bytes(path.read_bytes().replace(b"AAAA", b"AXXA", 1))
    first, second = open_source(str(path))
    assert isinstance(first, Refusal) and "damaged in the archive" in first.reason
    assert isinstance(second, RawImage)


@packers
def test_nothing_is_unpacked_to_disk(tmp_path: Path, name: str, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    pack(tmp_path / name, {"cat/1.png": b"1"})
    monkeypatch.chdir(tmp_path / "here")
    assert len(list(open_source(str(tmp_path / name)))) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(["here", name])


def test_text_named_like_an_archive(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("hello")
    with pytest.raises(SourceRefused, match="named like an archive"):
        open_source(str(tmp_path / "x.zip"))


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_an_archive_that_was_cut_is_refused_whole(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / f"whole.{ending}"
    with tarfile.open(whole, "w:gz" if ending == "tar.gz" else "w") as packed:
        for number in range(40):
            member = tarfile.TarInfo(f"{number}.png")
            content = encode_png(np.random.default_rng(number).integers(0, 255, (16, 16), dtype=np.uint8))
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    cut = tmp_path / f"cut.{ending}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert len(list(open_source(str(whole)))) == 40
    with pytest.raises(SourceRefused, match="truncated or damaged"):
        list(open_source(str(cut)))
