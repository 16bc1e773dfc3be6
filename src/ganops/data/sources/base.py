"""What every source of images gives: encoded images one by one, and what it had to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, final

MAX_ENCODED_BYTES = 64 * 2**20
"""A single encoded image above this is refused unread, so that no file or archive member fills the memory."""


@final
@dataclass(frozen=True)
class RawImage:
    """One encoded image, not yet looked at."""

    data: bytes
    """The encoded file, as found (or PNG, where the source holds bare pixels)."""
    path: str
    """Where in the source; relative, with forward slashes."""
    label: str | None = None
    split: str | None = None
    """`train` or `test` where the source has its own split."""


@final
@dataclass(frozen=True)
class Refusal:
    """One thing in a source that was not taken, and why."""

    path: str
    reason: str


class Source(Protocol):
    """Images from somewhere, read lazily and in the same order every time."""

    @property
    def name(self) -> str:
        """What the images' origin is called in the store; never an absolute path."""
        ...

    @property
    def expected(self) -> int:
        """How many items iteration will yield; 0 while unknown."""
        ...

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        """Raises `SourceRefused` when the source as a whole cannot be read."""
        ...


def too_large(path: str, size: int) -> Refusal:
    """The refusal of an encoded image above `MAX_ENCODED_BYTES`."""
    return Refusal(path, f"{size / 2**20:.0f} MB encoded, and at most {MAX_ENCODED_BYTES // 2**20} MB are read")
