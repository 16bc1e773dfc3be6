"""The reference: real images of one split, as the pinned extractor sees them.

    reference/reference.json
    reference/extractor/…
    reference/{train,select,test}/features.npy   float32 (N, d)
    reference/{train,select,test}/classes.npy    int64 (N,), the extractor's predictions
    reference/{train,select,test}/ids.npy        uint8 (N, 32), sha256 of each raw encoded image

Of `train` at most `TRAIN_LIMIT` images are kept, a fixed draw in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from ganops.data.stored import read_array
from ganops.errors import DamagedFile, UserError
from ganops.files import digest_json, read_json

FORMAT = 1
REFERENCE = "reference.json"
TRAIN_LIMIT = 20_000
METRIC_VERSION = 1
"""Raised whenever the same features would give another score."""
_FEATURES, _AGAIN = "features.npy", "ganops reference"

HeldOut = Literal["select", "test"]


@final
@dataclass(frozen=True, eq=False)
class ReferenceSample:
    """What generators are measured against.

    features (m, d), classes (m,), ids (m, 32): of the held-out images of `split`.
    train_features (t, d): of training images, for the memorisation check.
    hash: digest of extractor and images: the identity of this reference.
    """

    split: HeldOut
    features: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    ids: npt.NDArray[np.uint8]
    train_features: npt.NDArray[np.float32]
    num_classes: int
    hash: str
    extractor: str
    extractor_sha256: str
    preprocessing: str
    metric_version: int


def reference_hash(extractor_sha256: str, images_sha256: str) -> str:
    """The identity of a split as an extractor sees it."""
    return digest_json({"extractor": extractor_sha256, "images": images_sha256})


def select_reference(directory: Path) -> ReferenceSample:
    """The reference that candidates are measured and chosen on.

    Raises:
        UserError: `ganops reference` has not run, or its files do not fit each other.
    """
    return _load(directory, "select")


def select_features(directory: Path, dim: int) -> npt.NDArray[np.float32]:
    """The features (m, dim) alone of `select_reference`: finite, of two images or more, not all the same.

    Raises:
        DamagedFile: the file is missing, damaged, or of another extractor.
    """
    return _features(directory / "select" / _FEATURES, dim)


def test_reference(directory: Path) -> ReferenceSample:
    """The reference on `test`, which only the gate reads: nothing that chooses among candidates may call this.

    Raises:
        UserError: as `select_reference`.
    """
    return _load(directory, "test")


test_reference.__test__ = False  # type: ignore[attr-defined]  # pytest would take its name for a test


def _load(directory: Path, split: HeldOut) -> ReferenceSample:
    path = directory / REFERENCE
    try:
        facts: Mapping[str, Any] = read_json(path)
        if facts["format"] != FORMAT:
            raise UserError(f"{path} has format {facts['format']}, not {FORMAT}: run `ganops reference` again.")
        held_out = facts["splits"][split]
        count, dim = held_out["count"], facts["extractor"]["dim"]
        features = _features(directory / split / _FEATURES, dim, count)
        classes = read_array(directory / split / "classes.npy", np.int64, (count,), _AGAIN)
        ids = read_array(directory / split / "ids.npy", np.uint8, (count, 32), _AGAIN)
        train_features = _features(directory / "train" / _FEATURES, dim)
        return ReferenceSample(
            split=split,
            features=features,
            classes=classes,
            ids=ids,
            train_features=train_features,
            num_classes=len(facts["classes"]),
            hash=held_out["hash"],
            extractor=facts["extractor"]["kind"],
            extractor_sha256=facts["extractor"]["sha256"],
            preprocessing=facts["preprocessing"],
            metric_version=facts["metric_version"],
        )
    except FileNotFoundError as error:
        raise UserError(f"There is no reference ({error.filename} is missing): run `ganops reference`.") from None
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): run `ganops reference` again.") from None


def _features(path: Path, dim: int, count: int | None = None) -> npt.NDArray[np.float32]:
    features = read_array(path, np.float32, (count, dim), _AGAIN)
    if len(features) < 2 or not np.isfinite(features).all() or not features.var(0, dtype=np.float64).any():
        raise DamagedFile(
            f"{path} holds nothing to measure against (too few images, a number that is not finite, or the same "
            f"features everywhere): run `{_AGAIN}` again."
        )
    return features
