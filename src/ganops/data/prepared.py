"""The prepared data set: three splits of uint8 images in memory-mapped arrays.

prepared/dataset.json
prepared/{train,select,test}/images.npy   uint8 (N, C, H, W), 0-255
prepared/{train,select,test}/labels.npy   int64 (N,), -1 where unlabelled
prepared/{train,select,test}/ids.npy      uint8 (N, 32), sha256 of the raw encoded image
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, model_validator

from ganops.data.split import SPLITS, Split
from ganops.data.stored import read_array, read_document
from ganops.errors import DamagedFile
from ganops.files import sha256_file, write_json

DATASET = "dataset.json"
FORMAT = 2
"""1 had no digests of labels and ids."""
_IMAGES, _LABELS, _IDS = "images.npy", "labels.npy", "ids.npy"
_AGAIN = "ganops prepare"


@final
class _Dataset(BaseModel):
    """`dataset.json`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    format: Literal[2]
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    classes: tuple[str, ...]
    counts: dict[Split, NonNegativeInt]
    split: dict[str, Any]
    preprocessing: str
    sha256: dict[Split, str]
    labels_sha256: dict[Split, str]
    ids_sha256: dict[Split, str]

    @model_validator(mode="after")
    def _has_every_split(self) -> Self:
        for each in (self.counts, self.sha256, self.labels_sha256, self.ids_sha256):
            if each.keys() != set(SPLITS):
                raise ValueError(f"counts and digests are not of {', '.join(SPLITS)}")
        return self


@final
@dataclass(frozen=True, eq=False)
class PreparedSplit:
    """One split; the images stay on disk until they are touched."""

    images_u8: npt.NDArray[np.uint8]
    """(N, C, H, W), 0-255, read-only memory map."""
    labels: npt.NDArray[np.int64]
    """(N,), index into the data set's classes; -1 where unlabelled."""
    ids: npt.NDArray[np.uint8]
    """(N, 32), sha256 of each raw encoded image."""
    sha256: str
    """Hex digest of `images.npy`."""
    labels_sha256: str
    """Hex digest of `labels.npy`."""

    def __len__(self) -> int:
        return len(self.labels)


@final
@dataclass(frozen=True)
class PreparedDataset:
    """What `dataset.json` says. Opening a split is a separate step, so that `test` is read by who asks for it."""

    root: Path
    image_shape: tuple[int, int, int]
    """(C, H, W)"""
    classes: tuple[str, ...]
    """Names in the order of the labels; empty for unlabelled data."""
    counts: dict[Split, int]
    split_config: dict[str, Any]
    preprocessing: str
    """Names the pixels' way from file to array; scores of different ways must not be compared."""
    sha256: dict[Split, str]
    """Digest of each split's `images.npy`."""
    labels_sha256: dict[Split, str]
    ids_sha256: dict[Split, str]

    def split(self, name: Split) -> PreparedSplit:
        """Open one split, whose files are read once from end to end to see that they are what was written.

        Raises:
            DamagedFile: its files are missing, damaged, changed or do not fit `dataset.json`.
        """
        folder, count = self.root / name, self.counts[name]
        images = read_array(folder / _IMAGES, np.uint8, (count, *self.image_shape), _AGAIN, mmap="r")
        labels = read_array(folder / _LABELS, np.int64, (count,), _AGAIN)
        ids = read_array(folder / _IDS, np.uint8, (count, 32), _AGAIN)
        if count and not -1 <= labels.min() <= labels.max() < len(self.classes):
            raise DamagedFile(f"{folder / _LABELS} names classes that {DATASET} has not: run `{_AGAIN}` again.")
        _require_unchanged(folder / _IMAGES, self.sha256[name])
        _require_unchanged(folder / _LABELS, self.labels_sha256[name])
        _require_unchanged(folder / _IDS, self.ids_sha256[name])
        return PreparedSplit(images, labels, ids, self.sha256[name], self.labels_sha256[name])


def load(prepared: Path) -> PreparedDataset:
    """Read `dataset.json`, and none of the splits.

    Raises:
        UserError: nothing is prepared yet.
        DamagedFile: it is damaged, or another version of GanOps did it.
    """
    path = prepared / DATASET
    missing = f"There is no prepared data ({path} is missing): run `ganops prepare`."
    stored = read_document(path, _Dataset, missing, _AGAIN)
    return PreparedDataset(
        root=prepared,
        image_shape=stored.image_shape,
        classes=stored.classes,
        counts=stored.counts,
        split_config=stored.split,
        preprocessing=stored.preprocessing,
        sha256=stored.sha256,
        labels_sha256=stored.labels_sha256,
        ids_sha256=stored.ids_sha256,
    )


def write_dataset(
    prepared: Path,
    image_shape: tuple[int, int, int],
    classes: Sequence[str],
    counts: Mapping[Split, int],
    split: Mapping[str, Any],
    preprocessing: str,
) -> None:
    """Write `dataset.json` beside the arrays of all splits, which are there: it has their digests."""
    digests = {
        key: {name: sha256_file(prepared / name / file) for name in SPLITS}
        for key, file in (("sha256", _IMAGES), ("labels_sha256", _LABELS), ("ids_sha256", _IDS))
    }
    facts = {
        "format": FORMAT,
        "image_shape": list(image_shape),
        "classes": list(classes),
        "counts": dict(counts),
        "split": dict(split),
        "preprocessing": preprocessing,
    }
    write_json(prepared / DATASET, facts | digests)


def _require_unchanged(path: Path, sha256: str) -> None:
    if sha256_file(path) != sha256:
        raise DamagedFile(
            f"{path} is not what was prepared (its sha256 is not the one in {DATASET}): run `{_AGAIN}` again."
        )
