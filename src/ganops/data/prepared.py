"""The prepared data set: three splits of uint8 images in memory-mapped arrays.

prepared/dataset.json
prepared/{train,select,test}/images.npy   uint8 (N, C, H, W), 0-255
prepared/{train,select,test}/labels.npy   int64 (N,), -1 where unlabelled
prepared/{train,select,test}/ids.npy      uint8 (N, 32), sha256 of the raw encoded image
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, model_validator

from ganops.data.split import SPLITS, Split
from ganops.data.stored import read_array, read_document
from ganops.errors import DamagedFile

DATASET = "dataset.json"
FORMAT = 1


@final
class _Dataset(BaseModel):
    """`dataset.json`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    format: Literal[1]
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    classes: tuple[str, ...]
    counts: dict[Split, NonNegativeInt]
    split: dict[str, Any]
    preprocessing: str
    sha256: dict[Split, str]

    @model_validator(mode="after")
    def _has_every_split(self) -> Self:
        if not self.counts.keys() == self.sha256.keys() == set(SPLITS):
            raise ValueError(f"counts and sha256 are not of {', '.join(SPLITS)}")
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
    """Hex digest of `images.npy`, as recorded when it was written."""

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

    def split(self, name: Split) -> PreparedSplit:
        """Open one split.

        Raises:
            DamagedFile: its files are missing, damaged or do not fit `dataset.json`.
        """
        folder, count, again = self.root / name, self.counts[name], "ganops prepare"
        images = read_array(folder / "images.npy", np.uint8, (count, *self.image_shape), again, mmap="r")
        labels = read_array(folder / "labels.npy", np.int64, (count,), again)
        ids = read_array(folder / "ids.npy", np.uint8, (count, 32), again)
        if count and not -1 <= labels.min() <= labels.max() < len(self.classes):
            raise DamagedFile(f"{folder / 'labels.npy'} names classes that {DATASET} has not: run `{again}` again.")
        return PreparedSplit(images, labels, ids, self.sha256[name])


def load(prepared: Path) -> PreparedDataset:
    """Read `dataset.json`, and none of the splits.

    Raises:
        UserError: nothing is prepared yet.
        DamagedFile: it is damaged, or another version of GanOps did it.
    """
    path = prepared / DATASET
    missing = f"There is no prepared data ({path} is missing): run `ganops prepare`."
    stored = read_document(path, _Dataset, missing, again="ganops prepare")
    return PreparedDataset(
        root=prepared,
        image_shape=stored.image_shape,
        classes=stored.classes,
        counts=stored.counts,
        split_config=stored.split,
        preprocessing=stored.preprocessing,
        sha256=stored.sha256,
    )
