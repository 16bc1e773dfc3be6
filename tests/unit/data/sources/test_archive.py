from __future__ import annotations

import gzip
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


# ---------------------------------------------------------------- what is made to do harm

BLOCK = 512


def header(name: bytes, size: bytes, kind: bytes = b"0", checksum: int | None = None) -> bytes:
    """A tar header with the 12 bytes of its size field as given."""
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size + b"00000000000\0"
    rest = kind + bytes(100) + b"ustar\x0000" + bytes(247)
    total = checksum if checksum is not None else sum(fields) + sum(b" " * 8) + sum(rest)
    return fields + b"%06o\0 " % total + rest


def octal(size: int) -> bytes:
    return b"%011o\0" % size


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def member(name: bytes, data: bytes, kind: bytes = b"0") -> bytes:
    return header(name, octal(len(data)), kind) + padded(data)


def pax(records: dict[str, str]) -> bytes:
    lines = b""
    for key, value in records.items():
        text = f" {key}={value}\n".encode()
        length = len(text) + len(str(len(text) + len(str(len(text)))))
        lines += str(length).encode() + text
    return member(b"pax", lines, b"x")


END = bytes(2 * BLOCK)
HUGE = b"\x80" + (2**87).to_bytes(11, "big")  # base 256, as GNU tar writes large numbers
NEGATIVE = b"\xff" * 10 + (-2048 & 0xFFFF).to_bytes(2, "big")
GOOD = member(b"cat/good.png", b"1")
HARMFUL = {
    "a size of 2^87": GOOD + header(b"b.png", HUGE) + END,
    "a negative size": GOOD + header(b"b.png", NEGATIVE) + END,
    "a negative size in front": header(b"b.png", NEGATIVE) + GOOD + END,
    "a long name of 2^87 bytes": GOOD + header(b"b.png", HUGE, b"L") + END,
    "a long name of a negative number of bytes": GOOD + header(b"b.png", NEGATIVE, b"L") + END,
    "a header of 100 MB": GOOD + header(b"b.png", octal(10**8), b"x") + bytes(10**8) + END,
    "a size of 2^87 in pax": GOOD + pax({"size": str(2**87)}) + member(b"b.png", b"2") + END,
    "a negative size in pax": GOOD + pax({"size": "-4096"}) + member(b"b.png", b"2") + END,
    "a sparse map without end": GOOD
    + pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "b.png", "GNU.sparse.realsize": "9"})
    + member(b"b.png", b"9999999\n"),
    "a sparse map of words": GOOD + pax({"GNU.sparse.map": "one,two"}) + member(b"b.png", b"2") + END,
    "a chain of long names": GOOD + member(b"b", b"b.png\0", b"L") * 2000 + GOOD + END,
    "a damaged header in the middle": GOOD + header(b"b.png", octal(0), checksum=1) + GOOD + END,
}


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
@pytest.mark.parametrize("harm", HARMFUL)
@pytest.mark.timeout(60)
def test_a_tar_that_lies_is_refused_and_neither_hangs_nor_breaks(tmp_path: Path, harm: str, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(HARMFUL[harm] if ending == "tar" else gzip.compress(HARMFUL[harm], 1))
    with pytest.raises(SourceRefused, match=r"x\.tar"):
        list(open_source(str(path)))


def test_the_tars_of_these_tests_are_sound(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(GOOD + pax({"path": "dog/long.png"}) + member(b"x", b"2") + END)
    assert list(open_source(str(tmp_path / "x.tar"))) == [
        RawImage(b"1", "cat/good.png", "cat"),
        RawImage(b"2", "dog/long.png", "dog"),
    ]


def test_a_sparse_file_is_refused_alone(tmp_path: Path) -> None:
    sparse = pax({"GNU.sparse.map": "0,1,1000,1", "GNU.sparse.size": "1001"}) + member(b"holes.png", b"22")
    (tmp_path / "x.tar").write_bytes(GOOD + sparse + END)
    first, second = open_source(str(tmp_path / "x.tar"))
    assert isinstance(first, RawImage)
    assert isinstance(second, Refusal) and "sparse" in second.reason


def test_a_tar_that_holds_a_zip_is_a_tar(tmp_path: Path) -> None:
    pack_zip(tmp_path / "inner.zip", {"inner.png": b"0"})
    pack_tar(tmp_path / "x.tar", {"outer.png": b"1", "inner.zip": (tmp_path / "inner.zip").read_bytes()})
    assert [name for name, _, _ in taken(tmp_path / "x.tar")] == ["outer.png", "inner.zip"]


def test_names_of_any_characters_are_shown_as_plain_text(tmp_path: Path) -> None:
    for name, pack in PACKERS[:2]:
        pack(tmp_path / name, {"good.png": b"1", "../\x1b[31mevil\nname\r" + "x" * 5000: b"2"})
        with pytest.raises(SourceRefused) as caught:
            open_source(str(tmp_path / name))
        assert r"../\x1b[31mevil\nname\r" in str(caught.value)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


def patched(path: Path, *changes: tuple[bytes, int, bytes]) -> None:
    """Overwrite bytes at an offset behind every occurrence of a signature."""
    data = bytearray(path.read_bytes())
    for signature, offset, value in changes:
        start = data.find(signature)
        assert start >= 0
        while start >= 0:
            data[start + offset : start + offset + len(value)] = value
            start = data.find(signature, start + 4)
    path.write_bytes(data)


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    pack_zip(tmp_path / "x.zip", {"a.png": b"1"})
    patched(tmp_path / "x.zip", (LOCAL, 6, b"\x01"), (CENTRAL, 8, b"\x01"))
    with pytest.raises(SourceRefused, match=r"encrypted \('a\.png'\)\. Unpack it yourself"):
        open_source(str(tmp_path / "x.zip"))


def test_an_unknown_way_of_packing_is_refused_alone(tmp_path: Path) -> None:
    pack_zip(tmp_path / "x.zip", {"a.png": b"1"})
    patched(tmp_path / "x.zip", (LOCAL, 8, b"\x09"), (CENTRAL, 10, b"\x09"))  # deflate64
    (item,) = open_source(str(tmp_path / "x.zip"))
    assert isinstance(item, Refusal) and "packed in a way that is not read" in item.reason


def test_a_zip_of_a_version_to_come_is_refused(tmp_path: Path) -> None:
    pack_zip(tmp_path / "x.zip", {"a.png": b"1"})
    patched(tmp_path / "x.zip", (CENTRAL, 6, b"\xff"))
    with pytest.raises(SourceRefused, match=r"x\.zip .*version"):
        open_source(str(tmp_path / "x.zip"))


def test_a_zip_member_that_is_larger_than_it_says_is_refused_alone(tmp_path: Path) -> None:
    pack_zip(tmp_path / "x.zip", {"a.png": bytes(10**6)})
    said = (10).to_bytes(4, "little")
    patched(tmp_path / "x.zip", (LOCAL, 22, said), (CENTRAL, 24, said))
    (item,) = open_source(str(tmp_path / "x.zip"))
    assert isinstance(item, Refusal) and "damaged in the archive" in item.reason


def test_members_that_share_their_bytes_refuse_all_of_it(tmp_path: Path) -> None:
    """As zip bombs are made: every entry of the table points at the same packed bytes."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", os.urandom(10_000))
        first = file.infolist()[0]
        for _ in range(20):
            file.filelist.append(first)
    with pytest.raises(SourceRefused, match="more than the file has"):
        open_source(str(path))
