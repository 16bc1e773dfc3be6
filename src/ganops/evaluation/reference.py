"""The reference: real images of one split, as the pinned extractor sees them.

    reference/reference.json                     facts, and the sha256 of each file below
    reference/extractor/…
    reference/{train,select,test}/features.npy   float32 (N, d)
    reference/{train,select,test}/classes.npy    int64 (N,), the extractor's predictions
    reference/{train,select,test}/ids.npy        uint8 (N, 32), sha256 of each raw encoded image
    reference/{train,select,test}/pixels.npy     float32 (N, p), see `pixels`

Of `train` at most `TRAIN_LIMIT` images are kept, a fixed draw in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from ganops.data.stored import read_array
from ganops.errors import DamagedFile, UserError
from ganops.evaluation.distances import subset_rows
from ganops.files import digest_json, read_json, sha256_file

FORMAT = 2
REFERENCE = "reference.json"
TRAIN_LIMIT = 20_000
METRIC_VERSION = 2
"""Raised whenever the same features would give another score."""
_FEATURES, _CLASSES, _IDS, _PIXELS = "features.npy", "classes.npy", "ids.npy", "pixels.npy"
_AGAIN = "ganops reference"
_TRAIN_STREAM = 0
_NO_PIXELS: npt.NDArray[np.float32] = np.empty((0, 0), np.float32)

HeldOut = Literal["select", "test"]


@final
@dataclass(frozen=True, eq=False)
class ReferenceSample:
    """What generators are measured against.

    features (m, d), classes (m,), ids (m, 32): of the held-out images of `split`.
    train_features (t, d): of training images; t may be 0.
    num_classes: that the extractor tells apart; 0 where it knows none. class_names: of these, where they are known.
    hash: digest of extractor, metrics and images: the identity of this reference.
    pixels (h, p), train_pixels (t, p): of held-out and of training images, for the memorisation checks, which are
        left out where these are empty. Here the held-out images are those of `features`.
    """

    split: str
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
    class_names: tuple[str, ...] = ()
    pixels: npt.NDArray[np.float32] = field(default_factory=lambda: _NO_PIXELS)
    train_pixels: npt.NDArray[np.float32] = field(default_factory=lambda: _NO_PIXELS)
    extractor_accuracy: float | None = None
    grey_repeated: bool = False


def reference_hash(extractor_sha256: str, images_sha256: str) -> str:
    """The identity of a split as an extractor sees it, and as these metrics measure it."""
    seen = {"extractor": extractor_sha256, "images": images_sha256, "metric_version": METRIC_VERSION}
    return digest_json(seen)


def train_rows(count: int) -> npt.NDArray[np.int64]:
    """Rows of the training images, of `count`, that a reference keeps: the first of a fixed shuffle, ascending."""
    return subset_rows(count, TRAIN_LIMIT, _TRAIN_STREAM)


def array_digests(folder: Path) -> dict[str, str]:
    """Of each array in the folder of a split the hex sha256 of its file, as reference.json has them."""
    return {path.name: sha256_file(path) for path in sorted(folder.glob("*.npy"))}


def select_reference(directory: Path) -> ReferenceSample:
    """The reference that candidates are measured and chosen on.

    Raises:
        UserError: `ganops reference` has not run, or was run by another version of GanOps.
        DamagedFile: a file is not what it wrote.
    """
    return _load(directory, "select")


def select_features(directory: Path, dim: int) -> npt.NDArray[np.float32]:
    """The features (m, dim) alone of `select_reference`: finite, of two images or more, not all the same.

    Raises:
        UserError: as `select_reference`.
        DamagedFile: the file is missing, damaged, of another extractor, or not what `ganops reference` wrote.
    """
    features = _features(directory / "select" / _FEATURES, dim)
    path = directory / REFERENCE
    with _reading(path):
        _require_written(directory / "select", _facts(path)["splits"]["select"]["sha256"], (_FEATURES,))
    return features


def test_reference(directory: Path) -> ReferenceSample:
    """The reference on `test`, which only the gate reads: nothing that chooses among candidates may call this.

    Raises:
        UserError: as `select_reference`.
    """
    return _load(directory, "test")


test_reference.__test__ = False  # type: ignore[attr-defined]  # pytest would take its name for a test


def held_out_count(directory: Path, split: HeldOut) -> int:
    """How many images a held-out split has: all that may be known of `test` outside of the gate.

    Raises:
        UserError: as `select_reference`.
    """
    path = directory / REFERENCE
    try:
        return int(read_json(path)["splits"][split]["count"])
    except FileNotFoundError as error:
        raise UserError(f"There is no reference ({error.filename} is missing): run `ganops reference`.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): run `ganops reference` again.") from None


def _load(directory: Path, split: HeldOut) -> ReferenceSample:
    path = directory / REFERENCE
    with _reading(path):
        facts = _facts(path)
        held_out, train = facts["splits"][split], facts["splits"]["train"]
        count, dim, names = held_out["count"], facts["extractor"]["dim"], tuple(facts["classes"])
        features = _features(directory / split / _FEATURES, dim, count)
        classes = _classes(directory / split / _CLASSES, count, len(names))
        ids = read_array(directory / split / _IDS, np.uint8, (count, 32), _AGAIN)
        train_features = _features(directory / "train" / _FEATURES, dim)
        pixels = _finite(directory / split / _PIXELS, (count, None))
        train_pixels = _finite(directory / "train" / _PIXELS, (len(train_features), pixels.shape[1]))
        _require_written(directory / split, held_out["sha256"], (_FEATURES, _CLASSES, _IDS, _PIXELS))
        _require_written(directory / "train", train["sha256"], (_FEATURES, _PIXELS))
        return ReferenceSample(
            split=split,
            features=features,
            classes=classes,
            ids=ids,
            train_features=train_features,
            num_classes=len(names),
            hash=held_out["hash"],
            extractor=facts["extractor"]["kind"],
            extractor_sha256=facts["extractor"]["sha256"],
            preprocessing=facts["preprocessing"],
            metric_version=facts["metric_version"],
            class_names=names,
            pixels=pixels,
            train_pixels=train_pixels,
            extractor_accuracy=facts["extractor"]["accuracy"],
            grey_repeated=facts["extractor"].get("grey_repeated", False),
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raises UserError where a file is missing, or where the facts at `path` are none."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"There is no reference ({error.filename} is missing): run `{_AGAIN}`.") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}): run `{_AGAIN}` again.") from None


def _facts(path: Path) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = read_json(path)
    _require_this_version(path, facts)
    return facts


def _require_this_version(path: Path, facts: Mapping[str, Any]) -> None:
    """Raises UserError for a reference whose scores would mean something else here."""
    if facts["format"] != FORMAT:
        raise UserError(f"{path} has format {facts['format']}, not {FORMAT}: run `{_AGAIN}` again.")
    if facts["metric_version"] != METRIC_VERSION:
        raise UserError(
            f"{path} was made for version {facts['metric_version']} of the metrics, and here is version "
            f"{METRIC_VERSION}, whose scores differ: run `{_AGAIN}` again."
        )
    if not all("sha256" in split for split in facts["splits"].values()):
        raise UserError(f"{path} is of an older GanOps and has no digests of its arrays: run `{_AGAIN}` again.")


def _require_written(folder: Path, digests: Mapping[str, str], names: Sequence[str]) -> None:
    """Raises DamagedFile where an array is not the one that reference.json speaks of."""
    for name in names:
        if sha256_file(folder / name) != digests[name]:
            raise DamagedFile(
                f"{folder / name} is not the file that {REFERENCE} describes (its sha256 differs): it was changed, or "
                f"is of another reference. Run `{_AGAIN}` again."
            )


def _features(path: Path, dim: int, count: int | None = None) -> npt.NDArray[np.float32]:
    features = read_array(path, np.float32, (count, dim), _AGAIN)
    if len(features) < 2 or not np.isfinite(features).all() or not features.var(0, dtype=np.float64).any():
        raise DamagedFile(
            f"{path} holds nothing to measure against (too few images, a number that is not finite, or the same "
            f"features everywhere): run `{_AGAIN}` again."
        )
    return features


def _classes(path: Path, count: int, num_classes: int) -> npt.NDArray[np.int64]:
    classes = read_array(path, np.int64, (count,), _AGAIN)
    if classes.min(initial=0) < 0 or classes.max(initial=0) >= max(num_classes, 1):
        raise DamagedFile(f"{path} holds a class that is none of the {num_classes}: run `{_AGAIN}` again.")
    return classes


def _finite(path: Path, shape: tuple[int | None, int | None]) -> npt.NDArray[np.float32]:
    values = read_array(path, np.float32, shape, _AGAIN)
    if not np.isfinite(values).all():
        raise DamagedFile(f"{path} holds a number that is not finite: run `{_AGAIN}` again.")
    return values
