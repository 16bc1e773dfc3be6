"""CIFAR-10's binary version: records of one label byte and 3x32x32 pixel bytes, channel after channel.

Format: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np

from ganops.data.regular import require_regular
from ganops.data.sources.base import BareImage, RawImage, Refusal
from ganops.errors import SourceRefused

_PIXELS = 3 * 32 * 32
_RECORD = 1 + _PIXELS
_MAX_NAMES_BYTES = 64 * 1024


@final
class Cifar10Folder:
    """`data_batch_*.bin` (train), `test_batch.bin` (test) and `batches.meta.txt` (class names, else numbers)."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.resolve().name
        self._names = _class_names(folder / "batches.meta.txt")
        self._batches = _batches(folder)
        self.expected = sum(_count(path) for path in self._batches)

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether a folder holds CIFAR-10's binary batches."""
        return bool(_batches(folder))

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        return (image.encoded() for image in self.bare())

    def bare(self) -> Iterator[BareImage]:
        for path in self._batches:
            split = "test" if path.name == "test_batch.bin" else "train"
            try:
                with path.open("rb") as file:
                    for index in range(_count(path)):
                        yield self._image(file.read(_RECORD), path, index, split)
            except OSError as error:
                raise SourceRefused(f"{path} cannot be read: {error.strerror or error}.") from None

    def _image(self, record: bytes, path: Path, index: int, split: str) -> BareImage:
        if len(record) < _RECORD:
            raise SourceRefused(f"{path} is truncated: it ends within image {index}. Fetch it again.")
        label = record[0]
        if label >= len(self._names):
            raise SourceRefused(
                f"{path} gives image {index} the label {label}, but there are {len(self._names)} classes: "
                "it is damaged, or not CIFAR-10's binary version."
            )
        pixels = np.frombuffer(record, np.uint8, offset=1).reshape(3, 32, 32).transpose(1, 2, 0)
        return BareImage(np.ascontiguousarray(pixels), f"{path.stem}/{index:05d}.png", self._names[label], split)


def _batches(folder: Path) -> list[Path]:
    return sorted(folder.glob("data_batch_*.bin")) + sorted(folder.glob("test_batch.bin"))


def _count(path: Path) -> int:
    require_regular(path)
    size = path.stat().st_size
    if size == 0 or size % _RECORD:
        raise SourceRefused(
            f"{path} is {size} bytes long, which is no whole number of {_RECORD}-byte CIFAR-10 records "
            f"({size / _RECORD:.2f}): it is truncated or of another format. Fetch it again."
        )
    return size // _RECORD


def _class_names(path: Path) -> tuple[str, ...]:
    try:
        require_regular(path)
        with path.open("rb") as file:
            names = tuple(file.read(_MAX_NAMES_BYTES).decode().split())
    except FileNotFoundError:
        names = ()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceRefused(
            f"{path} cannot be read as a list of class names ({error}). Mend or remove it: without it the labels "
            "are numbers."
        ) from None
    return names or tuple(str(number) for number in range(10))
