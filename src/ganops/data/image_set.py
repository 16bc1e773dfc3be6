"""Images of one size in an array on disk, whatever they came from: what is measured without a workspace."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Self, final

import numpy as np
import numpy.typing as npt

from ganops.data.pixels import GREY_MODES, Undecodable, decode, encode_png, to_grey, to_rgb
from ganops.data.prepare import class_names
from ganops.data.sources.base import BareImage, BareSource, RawImage, Refusal, Source
from ganops.errors import SourceRefused, UserError
from ganops.files import digest_json, sha256_bytes
from ganops.progress import Progress, silent

U8 = npt.NDArray[np.uint8]
_BLOCK_BYTES = 2**24


@final
@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images in the source's order.

    images_u8: uint8 (N, C, H, W), 0-255, C of 1 or 3; on disk until touched.
    labels: int64 (N,), index into `classes`; -1 where there is none.
    split: the source's own split that they are; None where they are all it has.
    remarks: what of the source was left out or changed, for a person.
    """

    images_u8: U8
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...] = ()
    split: str | None = None
    remarks: tuple[str, ...] = ()
    encoded: npt.NDArray[np.uint64] | None = None
    """(N,), see `origins`; None where the images came as bare pixels."""

    @staticmethod
    def bare(images_u8: U8) -> ImageSet:
        """Images (N, C, H, W) of which nothing else is known."""
        return ImageSet(images_u8, np.full(len(images_u8), -1))

    def __len__(self) -> int:
        return len(self.images_u8)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        channels, height, width = self.images_u8.shape[1:]
        return channels, height, width

    @property
    def labelled(self) -> bool:
        """Whether every image has a label, of two classes at least."""
        return len(self) > 0 and int(self.labels.min()) >= 0 and len(np.unique(self.labels)) > 1

    def take(self, rows: npt.NDArray[np.int64]) -> Self:
        """Those images alone, in that order, on disk again."""
        encoded = None if self.encoded is None else self.encoded[rows]
        with _spool() as file:
            for row in rows:
                file.write(self.images_u8[row].tobytes())
            images = _mapped(file, (len(rows), *self.shape))
        return replace(self, images_u8=images, labels=self.labels[rows], encoded=encoded)

    def sha256(self) -> str:
        """Digest of shape and pixels: the same images in the same order have the same, whatever they lay in."""
        digest = hashlib.sha256()
        for block in self._blocks():
            digest.update(block.data)
        return digest_json({"shape": list(self.images_u8.shape), "pixels": digest.hexdigest()})

    def origins(self) -> npt.NDArray[np.uint64]:
        """(N,), the first 8 bytes (big-endian) of the sha256 of each encoded image, as a model's list of its training
        images has them; bare pixels are encoded as `data add` does."""
        if self.encoded is not None:
            return self.encoded
        pixels = (
            image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)) for image in self.images_u8
        )
        return np.array([_origin(encode_png(each)) for each in pixels], np.uint64)

    def fingerprints(self) -> npt.NDArray[np.uint64]:
        """(N,), a hash of each image's pixels, equal where they are."""
        found = (
            hashlib.blake2b(image.tobytes(), digest_size=8).digest() for block in self._blocks() for image in block
        )
        return np.frombuffer(b"".join(found), np.uint64)

    def _blocks(self) -> Iterator[U8]:
        size = max(1, _BLOCK_BYTES // max(1, int(np.prod(self.shape))))
        for start in range(0, len(self), size):
            yield np.ascontiguousarray(self.images_u8[start : start + size])


def read_image_set(
    source: Source, split: str | None = None, required: bool = True, progress: Progress = silent
) -> ImageSet:
    """All images of a source, or those of one of its own splits; decoded once, into a file without a name.

    split: `train` or `test`, as the source names its own. required: else all images stand for a split that it has not.

    Raises:
        UserError: the source has no such split.
        SourceRefused: it cannot be read, holds no image, or holds images of different sizes.
    """
    reading = _Reading(source.name, split)
    for done, item in enumerate(source.bare() if isinstance(source, BareSource) else source):
        if isinstance(item, Refusal):
            reading.refuse(item)
        elif split is None or item.split == split:
            reading.add(item)
        else:
            reading.others.add(item.split)
        if done % 500 == 0:
            progress(done, source.expected, "decoding")
    if not (required or len(reading)) and reading.others:
        return read_image_set(source, None, progress=progress)
    image_set = reading.finished()
    progress(len(image_set), len(image_set), "decoded")
    return image_set


@final
class _Reading:
    """Images as they come: each is written behind the last, as grey or colour as it is."""

    def __init__(self, name: str, split: str | None) -> None:
        self._name, self._split = name, split
        self._file = _spool()
        self._size: tuple[int, int] | None = None
        self._first = ""
        self._channels: list[int] = []
        self._labels: list[str | None] = []
        self._encoded: list[int] = []
        self._refused: list[Refusal] = []
        self.others: set[str | None] = set()
        """Splits of images that were not asked for."""

    def __len__(self) -> int:
        return len(self._channels)

    def refuse(self, refusal: Refusal) -> None:
        self._refused.append(refusal)

    def add(self, item: RawImage | BareImage) -> None:
        if isinstance(item, BareImage):
            self._write(item.pixels, item.path, item.label)
            return
        try:
            image = decode(item.data)
            pixels = np.asarray(to_grey(image) if image.mode in GREY_MODES else to_rgb(image))
        except Undecodable as error:
            self.refuse(Refusal(item.path, str(error)))
            return
        self._write(pixels, item.path, item.label)
        self._encoded.append(_origin(item.data))

    def _write(self, pixels: U8, path: str, label: str | None) -> None:
        """Of pixels (H, W) or (H, W, 3)."""
        grey = pixels.ndim == 2
        size = (pixels.shape[0], pixels.shape[1])
        if self._size is None:
            self._size, self._first = size, path
        elif size != self._size:
            raise SourceRefused(
                f"{self._name} holds images of different sizes: {self._first} is {_size(self._size)} pixels and "
                f"{path} is {_size(size)} (height x width). A score needs one size: scale or crop all of them "
                "alike first."
            )
        self._file.write(pixels.tobytes() if grey else pixels.transpose(2, 0, 1).tobytes())
        self._channels.append(1 if grey else 3)
        self._labels.append(label)

    def finished(self) -> ImageSet:
        if self._size is None:
            raise self._nothing()
        labels = class_names(self._labels)
        index = {name: number for number, name in enumerate(labels)}
        return ImageSet(
            images_u8=self._images(self._size),
            labels=np.array([-1 if label is None else index[label] for label in self._labels], np.int64),
            classes=labels,
            split=self._split,
            remarks=tuple(self._remarks()),
            encoded=np.array(self._encoded, np.uint64) if self._encoded else None,
        )

    def _images(self, size: tuple[int, int]) -> U8:
        self._file.flush()
        colours = set(self._channels)
        if len(colours) == 1:
            return _mapped(self._file, (len(self._channels), *colours, *size))
        pixels, flat = size[0] * size[1], np.memmap(self._file, np.uint8, "r")
        with _spool() as file:
            start = 0
            for channels in self._channels:
                image = flat[start : start + channels * pixels].reshape(channels, pixels)
                file.write(np.broadcast_to(image, (3, pixels)).tobytes())
                start += channels * pixels
            return _mapped(file, (len(self._channels), 3, *size))

    def _remarks(self) -> Iterator[str]:
        if self._refused:
            first = self._refused[0]
            yield (
                f"{len(self._refused)} of {len(self._refused) + len(self._channels)} files of {self._name} were left "
                f"out, first {first.path}: {first.reason}"
            )
        grey = self._channels.count(1)
        if 0 < grey < len(self._channels):
            yield f"{grey} of {len(self._channels)} images of {self._name} are grey, and were repeated to 3 channels"

    def _nothing(self) -> Exception:
        if self.others:
            known = sorted(filter(None, self.others))
            has = f"it has {' and '.join(known)}" if known else "it has none of its own: leave --split out for it"
            return UserError(f"{self._name} has no split '{self._split}'; {has}.")
        if self._refused:
            first = self._refused[0]
            return SourceRefused(f"{self._name} holds no image that can be read; first {first.path}: {first.reason}.")
        return SourceRefused(f"{self._name} holds no images.")


def _spool() -> IO[bytes]:
    """A file without a name, which lives as long as it is open or mapped."""
    return tempfile.TemporaryFile(prefix="ganops-images-")


def _mapped(file: IO[bytes], shape: Sequence[int]) -> U8:
    file.flush()
    return np.memmap(file, np.uint8, "r", shape=tuple(shape))


def _origin(encoded: bytes) -> int:
    return int(sha256_bytes(encoded)[:16], 16)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
