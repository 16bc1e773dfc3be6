"""Zip and tar archives of images, streamed: nothing is ever unpacked to disk.

An archive with a name that points outside it, or with a link, is refused as a whole: it was not made by a
person who meant well, or not meant for this.
"""

from __future__ import annotations

import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, final

from ganops.data.sources.base import MAX_ENCODED_BYTES, RawImage, Refusal, too_large
from ganops.data.sources.naming import has_splits, is_hidden, label_and_split, shown
from ganops.data.sources.tar_members import tar_members
from ganops.errors import SourceRefused

# What the standard library is known to raise on damaged archives.
_DAMAGED = (
    OSError, EOFError, ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError, struct.error, zlib.error,
    lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile,
)  # fmt: skip


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
            _refuse_overlaps(path, archive.infolist())
            self._tree = _tree(_checked_zip_names(path, archive.infolist()))
        self.expected = self._tree.count

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether the file ends as a zip does."""
        return zipfile.is_zipfile(path)

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
        except NotImplementedError as error:
            return Refusal(str(name), f"packed in a way that is not read ({error}): pack it with deflate")
        except _DAMAGED as error:
            return Refusal(str(name), f"damaged in the archive: {str(error) or type(error).__name__}")


@final
class TarArchive:
    """A tar of images, compressed or not; read twice, first for its names and then for its images."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.resolve().name
        with _opened(path), tar_members(path) as members:
            self._tree = _tree(_checked_tar_names(path, (member for _, member in members)))
        self.expected = self._tree.count

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether the file begins as a tar does, unpacked if it is compressed."""
        try:
            with tar_members(path) as members:
                next(members, None)
        except _DAMAGED:
            return False
        return True

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        with _opened(self._path), tar_members(self._path) as members:
            for unpacked, member in members:
                name = PurePosixPath(member.name)
                if member.isfile() and not is_hidden(name):
                    yield self._item(unpacked, member, name)

    def _item(self, unpacked: IO[bytes], member: tarfile.TarInfo, name: PurePosixPath) -> RawImage | Refusal:
        if member.size > MAX_ENCODED_BYTES:
            return too_large(str(name), member.size)
        if member.issparse():
            return Refusal(str(name), "a file with holes (sparse), which is not read: pack it whole")
        unpacked.seek(member.offset_data)
        label, split = self._tree.place(name)
        return RawImage(unpacked.read(member.size), str(name), label, split)


def _image(file: IO[bytes], name: PurePosixPath, tree: _Tree) -> RawImage | Refusal:
    data = file.read(MAX_ENCODED_BYTES + 1)  # whatever size the archive's own table claims
    if len(data) > MAX_ENCODED_BYTES:
        return too_large(str(name), len(data))
    label, split = tree.place(name)
    return RawImage(data, str(name), label, split)


def _refuse_overlaps(path: Path, infos: Iterable[zipfile.ZipInfo]) -> None:
    """A zip bomb lets many members unpack the same bytes, so that a small file takes for ever."""
    packed = sum(info.compress_size for info in infos)
    if packed > path.stat().st_size:
        raise SourceRefused(
            f"{path} is refused as a whole, because its members together claim {packed} packed bytes, more than the "
            "file has: it is damaged or made to do harm. Fetch or pack it again."
        )


def _checked_zip_names(path: Path, infos: Iterable[zipfile.ZipInfo]) -> Iterator[PurePosixPath]:
    for info in infos:
        _refuse_unsafe(path, info.filename, is_link=stat.S_ISLNK(info.external_attr >> 16))
        if info.flag_bits & 1:
            raise SourceRefused(
                f"{path} is encrypted ('{shown(info.filename)}'). Unpack it yourself and pass the folder."
            )
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
        f"{path} is refused as a whole, because its member '{shown(name)}' {problem}. Nothing was read from it: "
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
def _opened(path: Path) -> Iterator[None]:
    try:
        yield
    except SourceRefused:
        raise
    except _DAMAGED as error:
        reason = str(error) or type(error).__name__
        raise SourceRefused(f"{path} is a truncated or damaged archive ({reason}). Fetch or pack it again.") from None


def is_archive_name(name: str) -> bool:
    """Whether a file's name promises an archive, whatever its content is."""
    return name.lower().endswith((".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"))
