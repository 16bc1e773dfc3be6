"""The members of a tar in order, from a file that nobody vouches for.

`tarfile` trusts the numbers in headers: it would go back and forth without end over a negative size, take gigabytes
of header into memory, and pass in silence over everything behind a header that is damaged. Here each of these is
`tarfile.ReadError`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast, final

_MAX_HEADER_BYTES = 128 * 1024
_MAX_OFFSET = 2**63
_BLOCK = 2**20


@final
class _Guarded(io.BufferedIOBase):
    """The unpacked file as `tarfile` sees it: what it asks for is there, and is no more than headers need."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.last = b""
        """What was read last: at the end of the archive, the block that ended it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        data = self._file.read(size)
        if len(data) < size:
            raise tarfile.ReadError("it has no end")
        self.last = data
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if not 0 <= offset < _MAX_OFFSET:
            raise tarfile.ReadError("a member claims an impossible size")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@contextmanager
def tar_members(path: Path) -> Iterator[Iterator[tuple[IO[bytes], tarfile.TarInfo]]]:
    """Each member with the unpacked file, in which its content lies at `offset_data`; what has passed is forgotten.

    Raises:
        tarfile.ReadError: also at the end, if the archive was cut, or a header in the middle is damaged.
        OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, RuntimeError, MemoryError: of the same cause.
    """
    with _unpacked(path) as file:
        guarded = _Guarded(file)
        with tarfile.open(fileobj=guarded, mode="r:") as archive:
            yield _forward(archive, file, guarded)


def _forward(
    archive: tarfile.TarFile, file: IO[bytes], guarded: _Guarded
) -> Iterator[tuple[IO[bytes], tarfile.TarInfo]]:
    end = 0
    while (member := archive.next()) is not None:
        if member.size < 0 or archive.offset <= end:
            raise tarfile.ReadError("a member claims a negative size")
        end = archive.offset
        yield file, member
        archive.members.clear()  # type: ignore[attr-defined]  # else memory grows with the archive
    # a whole tar ends in a block of zeros, and a compressed one in a checksum
    if guarded.last != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"the header at byte {archive.offset} is damaged")
    while file.read(_BLOCK):
        pass


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path))
    if start.startswith(b"BZh"):
        return cast(IO[bytes], bz2.open(path))
    if start.startswith(b"\xfd7zXZ"):
        return cast(IO[bytes], lzma.open(path))
    return path.open("rb")
