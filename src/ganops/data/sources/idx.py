"""The IDX format of MNIST and its kin: bare pixels behind a small header, gzipped or not.

Format (LeCun, http://yann.lecun.com/exdb/mnist): 0, 0, type (8 = unsigned byte), number of dimensions, then one
big-endian uint32 per dimension, then the values.
"""

from __future__ import annotations

import gzip
import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, final

import numpy as np

from ganops.data.pixels import MAX_PIXELS
from ganops.data.regular import require_regular
from ganops.data.sources.base import BareImage, RawImage, Refusal
from ganops.errors import SourceRefused

_IMAGES = re.compile(r"(?P<prefix>.*?)images[-.]idx3-ubyte(\.gz)?$")
_LABELS = re.compile(r"(?P<prefix>.*?)labels[-.]idx1-ubyte(\.gz)?$")


@final
@dataclass(frozen=True)
class _Pair:
    """An images file, the labels file that belongs to it, and what their headers say."""

    images: Path
    labels: Path | None
    split: str | None
    count: int
    height: int
    width: int


@final
class IdxFolder:
    """A folder such as MNIST's: `train-` and `t10k-` (or `test-`) files keep the source's split.

    Raises:
        SourceRefused: on opening, for a wrong header or a labels file of another length than its images;
            on iteration, for truncated or overlong files.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.name = name or folder.resolve().name
        self._pairs = _pairs(folder)
        self.expected = sum(pair.count for pair in self._pairs)

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether a folder holds IDX image files."""
        return any(_IMAGES.match(path.name) for path in folder.iterdir())

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        return (image.encoded() for image in self.bare())

    def bare(self) -> Iterator[BareImage]:
        for pair in self._pairs:
            yield from _read_pair(pair)


@final
class IdxFile:
    """One images file of such a folder, with the labels file beside it where there is one.

    Raises:
        SourceRefused: as `IdxFolder`; for a labels file, which holds no images.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.resolve().name
        if (match := _IMAGES.match(path.name)) is None:
            raise SourceRefused(
                f"{path} holds no images as IDX files go, whose names end in images-idx3-ubyte, and .gz if packed: "
                "pass the images file, beside which its labels are found, or the folder that holds both."
            )
        labels = _by_prefix(path.parent, _LABELS).get(match["prefix"])
        self._pair = _pair(path, labels, _split(match["prefix"]))
        self.expected = self._pair.count

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        return (image.encoded() for image in self.bare())

    def bare(self) -> Iterator[BareImage]:
        yield from _read_pair(self._pair)


def _pairs(folder: Path) -> list[_Pair]:
    images, labels = _by_prefix(folder, _IMAGES), _by_prefix(folder, _LABELS)
    unlabelled = [path for prefix, path in images.items() if prefix not in labels]
    if labels and unlabelled:
        raise SourceRefused(
            f"{unlabelled[0]} has no labels file beside it, though other images in the folder do. "
            "Add the missing file, or remove all labels files to add the images without labels."
        )
    pairs = [_pair(path, labels.get(prefix), _split(prefix)) for prefix, path in images.items()]
    return sorted(pairs, key=lambda pair: (pair.split != "train", pair.images.name))


def _by_prefix(folder: Path, pattern: re.Pattern[str]) -> dict[str, Path]:
    """File of each prefix; where one lies there both gzipped and not, the plain one."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if match := pattern.match(path.name):
            found.setdefault(match["prefix"], path)
    return found


def _split(prefix: str) -> str | None:
    if "train" in prefix:
        return "train"
    return "test" if "t10k" in prefix or "test" in prefix else None


def _pair(images: Path, labels: Path | None, split: str | None) -> _Pair:
    with _opened(images) as file:
        count, height, width = _header(file, images, dimensions=3)
    if not 0 < height * width <= MAX_PIXELS:
        raise SourceRefused(f"{images} says that its images are {width}x{height} pixels: this is no IDX image file.")
    if labels is not None:
        with _opened(labels) as file:
            (label_count,) = _header(file, labels, dimensions=1)
        if label_count != count:
            raise SourceRefused(
                f"{labels} holds {label_count} labels, but {images} holds {count} images: "
                "they do not belong together. Fetch both files again from where they came."
            )
    return _Pair(images, labels, split, count, height, width)


def _read_pair(pair: _Pair) -> Iterator[BareImage]:
    size = pair.height * pair.width
    stem = pair.images.name.removesuffix(".gz")
    labels: Iterator[str | None] = _read_labels(pair.labels, pair.count) if pair.labels else itertools.repeat(None)
    with _opened(pair.images) as file:
        file.read(16)  # the header, read before
        for index in range(pair.count):
            label = next(labels)
            pixels = file.read(size)
            if len(pixels) < size:
                raise SourceRefused(
                    f"{pair.images} is truncated: it ends after {index} of {pair.count} images. Fetch it again."
                )
            image = np.frombuffer(pixels, np.uint8).reshape(pair.height, pair.width)
            yield BareImage(image, f"{stem}/{index:05d}.png", label, pair.split)
        next(labels, None)
        _expect_end(file, pair.images, f"{pair.count} images")


def _read_labels(path: Path, count: int) -> Iterator[str]:
    """One by one, along with the images: a few packed bytes can claim any number of them."""
    with _opened(path) as file:
        file.read(8)  # the header, read before
        for index in range(count):
            label = file.read(1)
            if not label:
                raise SourceRefused(
                    f"{path} is truncated: it holds {index} labels, but its header says {count}. Fetch it again."
                )
            yield str(label[0])
        _expect_end(file, path, f"{count} labels")


def _header(file: IO[bytes], path: Path, dimensions: int) -> tuple[int, ...]:
    length = 4 + 4 * dimensions
    head = file.read(length)
    magic = bytes((0, 0, 8, dimensions))
    if len(head) < length or head[:4] != magic:
        raise SourceRefused(
            f"{path} begins with {head[:4].hex() or 'nothing'} instead of {magic.hex()}: "
            f"it is no IDX file of bytes in {dimensions} dimension{'s' if dimensions > 1 else ''}."
        )
    return struct.unpack(f">{dimensions}I", head[4:])


def _expect_end(file: IO[bytes], path: Path, what: str) -> None:
    if file.read(1):
        raise SourceRefused(f"{path} goes on after the {what} that its header names: it is damaged. Fetch it again.")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's content, unpacked; what goes wrong in reading it becomes one `SourceRefused`."""
    try:
        require_regular(path)
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield file  # type: ignore[misc]  # GzipFile reads like IO[bytes]
    except (OSError, EOFError, zlib.error) as error:
        raise SourceRefused(f"{path} is truncated or damaged ({error}). Fetch it again from where it came.") from None
