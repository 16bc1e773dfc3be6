"""What every source of images gives: encoded images one by one, and what it had to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
import numpy.typing as npt

from ganops.data.pixels import encode_png

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
@dataclass(frozen=True, eq=False)
class BareImage:
    """One image that lies in its source as bare pixels; otherwise as `RawImage`."""

    pixels: npt.NDArray[np.uint8]
    """(H, W) grey or (H, W, 3) RGB, 0-255."""
    path: str
    label: str | None = None
    split: str | None = None

    def encoded(self) -> RawImage:
        """As a PNG file."""
        return RawImage(encode_png(self.pixels), self.path, self.label, self.split)


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


@runtime_checkable
class BareSource(Protocol):
    """A source whose images need no decoding by who only wants their pixels: many times faster."""

    def bare(self) -> Iterator[BareImage]:
        """The images of iteration, in its order; raises `SourceRefused` as it does."""
        ...


def too_large(path: str, size: int) -> Refusal:
    """The refusal of an encoded image above `MAX_ENCODED_BYTES`."""
    return Refusal(path, f"{size / 2**20:.0f} MB encoded, and at most {MAX_ENCODED_BYTES // 2**20} MB are read")
