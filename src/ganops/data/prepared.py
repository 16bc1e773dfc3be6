"""The prepared data set: three splits of uint8 images in memory-mapped arrays.

prepared/dataset.json
prepared/{train,select,test}/images.npy   uint8 (N, C, H, W), 0-255
prepared/{train,select,test}/labels.npy   int64 (N,), -1 where unlabelled
prepared/{train,select,test}/ids.npy      uint8 (N, 32), sha256 of the raw encoded image
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ganops.data.split import SPLITS, Split
from ganops.errors import UserError
from ganops.files import read_json

DATASET = "dataset.json"
FORMAT = 1


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
            UserError: its files are missing or do not fit `dataset.json`.
        """
        folder = self.root / name
        try:
            images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
            labels = np.load(folder / "labels.npy", allow_pickle=False)
            ids = np.load(folder / "ids.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{folder} cannot be read ({error}): run `ganops prepare` again.") from None
        count = self.counts[name]
        if images.shape != (count, *self.image_shape) or labels.shape != (count,) or ids.shape != (count, 32):
            raise UserError(f"{folder} does not fit {self.root / DATASET}: run `ganops prepare` again.")
        return PreparedSplit(images, labels, ids, self.sha256[name])


def load(prepared: Path) -> PreparedDataset:
    """Read `dataset.json`, and none of the splits.

    Raises:
        UserError: nothing is prepared yet, or another version of GanOps did it.
    """
    path = prepared / DATASET
    try:
        facts = read_json(path)
        if facts["format"] != FORMAT:
            raise UserError(f"{path} has format {facts['format']}, not {FORMAT}: run `ganops prepare` again.")
        return PreparedDataset(
            root=prepared,
            image_shape=tuple(facts["image_shape"]),
            classes=tuple(facts["classes"]),
            counts={name: facts["counts"][name] for name in SPLITS},
            split_config=facts["split"],
            preprocessing=facts["preprocessing"],
            sha256={name: facts["sha256"][name] for name in SPLITS},
        )
    except FileNotFoundError:
        raise UserError(f"There is no prepared data ({path} is missing): run `ganops prepare`.") from None
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): run `ganops prepare` again.") from None
