"""Zip and tar archives of images, streamed: nothing is ever unpacked to disk.

An archive with a name that points outside it, or with a link, is refused as a whole: it was not made by a
person who meant well, or not meant for this.
"""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, final

from ganops.data.sources.base import MAX_ENCODED_BYTES, RawImage, Refusal, too_large
from ganops.data.sources.naming import has_splits, is_hidden, label_and_split
from ganops.errors import SourceRefused

_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, ValueError)
_UNREADABLE_MEMBER = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, OSError)


@final
@dataclass(frozen=True)
class _Tree:
    """What the names of all members tell together."""

    wrapper: str | None
    """The one top folder that holds everything, as `zip -r` makes it: not a label."""
    splits: bool
    count: int

    def place(self, name: PurePosixPath) -> tuple[str | None, str | None]:
        """Label and split of a member."""
        inner = name.relative_to(self.wrapper) if self.wrapper else name
        return label_and_split(inner, self.splits)


@final
class ZipArchive:
    """A zip of images; folders become labels as in `ImageFolder`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.resolve().name
        with _opened(path), zipfile.ZipFile(path) as archive:
            self._tree = _tree(_checked_zip_names(path, archive.infolist()))
        self.expected = self._tree.count

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        with _opened(self._path), zipfile.ZipFile(self._path) as archive:
            for info in archive.infolist():
                name = PurePosixPath(info.filename)
                if not info.is_dir() and not is_hidden(name):
                    yield self._item(archive, info, name)

    def _item(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: PurePosixPath) -> RawImage | Refusal:
        if info.file_size > MAX_ENCODED_BYTES:
            return too_large(str(name), info.file_size)
        try:
            with archive.open(info) as file:
                return _image(file, name, self._tree)
        except _UNREADABLE_MEMBER as error:
            return Refusal(str(name), f"damaged in the archive: {error}")


@final
class TarArchive:
    """A tar of images, compressed or not; read twice, first for its names and then for its images."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.resolve().name
        with _opened(path), _members(path) as members:
            self._tree = _tree(_checked_tar_names(path, (member for _, member in members)))
        self.expected = self._tree.count

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        with _opened(self._path), _members(self._path) as members:
            for archive, member in members:
                name = PurePosixPath(member.name)
                if member.isfile() and not is_hidden(name):
                    yield self._item(archive, member, name)

    def _item(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: PurePosixPath) -> RawImage | Refusal:
        if member.size > MAX_ENCODED_BYTES:
            return too_large(str(name), member.size)
        file = archive.extractfile(member)
        assert file is not None, "isfile() members have content"
        return _image(file, name, self._tree)


def _image(file: IO[bytes], name: PurePosixPath, tree: _Tree) -> RawImage | Refusal:
    data = file.read(MAX_ENCODED_BYTES + 1)  # whatever size the archive's own table claims
    if len(data) > MAX_ENCODED_BYTES:
        return too_large(str(name), len(data))
    label, split = tree.place(name)
    return RawImage(data, str(name), label, split)


def _checked_zip_names(path: Path, infos: Iterable[zipfile.ZipInfo]) -> Iterator[PurePosixPath]:
    for info in infos:
        _refuse_unsafe(path, info.filename, is_link=stat.S_ISLNK(info.external_attr >> 16))
        if info.flag_bits & 1:
            raise SourceRefused(f"{path} is encrypted ('{info.filename}'). Unpack it yourself and pass the folder.")
        if not info.is_dir():
            yield PurePosixPath(info.filename)


def _checked_tar_names(path: Path, members: Iterable[tarfile.TarInfo]) -> Iterator[PurePosixPath]:
    for member in members:
        _refuse_unsafe(path, member.name, is_link=not (member.isfile() or member.isdir()))
        if member.isfile():
            yield PurePosixPath(member.name)


def _refuse_unsafe(path: Path, name: str, is_link: bool) -> None:
    parts = name.replace("\\", "/").split("/")
    if is_link:
        problem = "is a link or a device, not a file"
    elif ".." in parts:
        problem = "points out of the archive with '..'"
    elif parts[0] == "" or parts[0][1:2] == ":":
        problem = "is an absolute path"
    else:
        return
    raise SourceRefused(
        f"{path} is refused as a whole, because its member '{name}' {problem}. Nothing was read from it: "
        "look at what it is and where it came from, and pack the images again without such members."
    )


def _tree(names: Iterable[PurePosixPath]) -> _Tree:
    """Looks at each name once and keeps only first and second levels."""
    count, tops, seconds, loose = 0, set[str](), set[str](), False
    for name in names:
        if is_hidden(name):
            continue
        count += 1
        parts = name.parts
        loose |= len(parts) == 1
        tops.update(parts[:1] if len(parts) > 1 else ())
        seconds.update(parts[1:2] if len(parts) > 2 else ())
    if len(tops) == 1 and not loose:
        return _Tree(next(iter(tops)), has_splits(frozenset(seconds)), count)
    return _Tree(None, has_splits(frozenset(tops)), count)


@contextmanager
def _members(path: Path) -> Iterator[Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]]:
    """Members in order, forgetting what has passed; a cut or flipped archive is found out, which `r|*` would hide."""
    with tarfile.open(path, "r:*") as archive:

        def forward() -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
            while (member := archive.next()) is not None:
                yield archive, member
                archive.members.clear()  # type: ignore[attr-defined]  # else memory grows with the archive
            _check_end(archive)

        yield forward()


def _check_end(archive: tarfile.TarFile) -> None:
    """A whole tar ends in a block of zeros, and a compressed one in a checksum."""
    stream = archive.fileobj
    assert stream is not None
    stream.seek(archive.offset)
    if len(stream.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it has no end")
    while stream.read(1 << 20):
        pass


@contextmanager
def _opened(path: Path) -> Iterator[None]:
    try:
        yield
    except SourceRefused:
        raise
    except _DAMAGED as error:
        raise SourceRefused(f"{path} is a truncated or damaged archive ({error}). Fetch or pack it again.") from None


def is_archive_name(name: str) -> bool:
    """Whether a file's name promises an archive, whatever its content is."""
    return name.lower().endswith((".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"))
