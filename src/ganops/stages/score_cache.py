"""What was computed before for the very same content: features, and fitted extractors.

An entry is one file named after the digest of everything it depends on, never after where the images lie. It
begins with the sha256 of the rest, so that a damaged one is noticed and made again. Nothing is unpickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from ganops.files import digest_json, read_plain, sha256_bytes, write_bytes

Arrays = Mapping[str, npt.NDArray[Any]]
LIMIT_BYTES = 4 * 2**30
"""Of all entries together: those that were not used for longest make room."""
_DIGEST_LENGTH = 64
_SUFFIX = ".entry"


def _nobody(remark: str) -> None:
    """Nobody listens."""


@final
@dataclass(frozen=True)
class Cache:
    """A folder of entries, or none at all.

    say: told, for a person, what was damaged or could not be written.
    """

    folder: Path | None
    limit_bytes: int = LIMIT_BYTES
    say: Callable[[str], None] = _nobody

    def recall(self, key: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """What was made for an equal `key` (plain JSON) before, or else is made now and kept."""
        if self.folder is None:
            return make()
        path = self.folder / "scores" / f"{digest_json(key)}{_SUFFIX}"
        found = self._read(path)
        if found is not None:
            return found
        made = make()
        self._write(path, made)
        return made

    def _read(self, path: Path) -> Arrays | None:
        try:
            content = read_plain(path, self.limit_bytes)
            os.utime(path)  # used now
        except FileNotFoundError:
            return None
        except OSError as error:
            self.say(f"{path} in the cache cannot be read ({error.strerror or error}); computing it again.")
            return None
        digest, payload = content[:_DIGEST_LENGTH], content[_DIGEST_LENGTH:]
        try:
            if digest.decode(errors="replace") == sha256_bytes(payload):
                return safetensors.numpy.load(payload)
        except SafetensorError:
            pass
        self.say(f"{path} in the cache is damaged; computing it again.")
        return None

    def _write(self, path: Path, arrays: Arrays) -> None:
        payload = safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        size = len(payload) + _DIGEST_LENGTH
        if size > self.limit_bytes:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._make_room(path.parent, size)
            write_bytes(path, sha256_bytes(payload).encode() + payload)
        except OSError as error:
            self.say(
                f"The cache {path.parent} cannot be written ({error.strerror or error}), so nothing is kept for the "
                "next time. Name another folder in GANOPS_CACHE."
            )

    def _make_room(self, folder: Path, size: int) -> None:
        entries = sorted(_entries(folder), reverse=True)  # used last first
        total = size
        for _, length, path in entries:
            total += length
            if total > self.limit_bytes:
                path.unlink(missing_ok=True)


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """(when it was used, bytes, file) of each entry."""
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            facts = path.stat()
        except FileNotFoundError:  # another process made room
            continue
        yield facts.st_mtime, facts.st_size, path
