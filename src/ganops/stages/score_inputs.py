"""From what a user named to what is measured: images, features that were computed before, or a model."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ganops.data.array_file import as_nchw, image_layout, is_array_file, read_array_file
from ganops.data.image_set import ImageSet, read_image_set
from ganops.data.prepared import DATASET, load
from ganops.data.sources import Source, open_source
from ganops.errors import DataRefused, SourceRefused, UnknownName, UserError
from ganops.evaluation.extractors import Extractor, load_extractor
from ganops.evaluation.feature_stats import LARGEST, TOO_LARGE
from ganops.evaluation.reference import REFERENCE, ReferenceSample, select_reference, test_reference
from ganops.evaluation.sample import TRAINING_IMAGES, read_training_images
from ganops.models.snapshot import MODEL, WEIGHTS, Snapshot, load_snapshot
from ganops.ports import ModelRegistry, ModelVersion
from ganops.progress import Progress
from ganops.stages.registered import registered_snapshot

_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[^/@]+))")
Registries = Callable[[str], ModelRegistry]
"""The registry of a model's name; `UserError` where there is none."""


@final
@dataclass(frozen=True, eq=False)
class Images:
    """Images that are there. name: as the user wrote it."""

    name: str
    images: ImageSet
    split: str | None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.images.shape

    def origins(self) -> npt.NDArray[np.uint64]:
        """See `ImageSet`."""
        return self.images.origins()

    def __len__(self) -> int:
        return len(self.images)


@final
@dataclass(frozen=True, eq=False)
class Features:
    """Features (N, d), float32 or float64, finite, that somebody computed before."""

    name: str
    features: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.features)


@final
@dataclass(frozen=True, eq=False)
class Model:
    """A generator. trained_on: what it says of its training images, see `evaluation.sample`; empty where unknown."""

    name: str
    snapshot: Snapshot
    trained_on: npt.NDArray[np.uint64]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.snapshot.spec.image_shape


@final
@dataclass(frozen=True, eq=False)
class Pinned:
    """A workspace's `data/reference`: what its own extractor has seen already in images that are not read again; as
    `train` it stands for the training images among them."""

    name: str
    sample: ReferenceSample
    extractor: Extractor

    @property
    def split(self) -> str:
        return self.sample.split

    def origins(self) -> npt.NDArray[np.uint64]:
        """See `data.image_set.ImageSet`."""
        return first_bytes(self.sample.ids)

    def __len__(self) -> int:
        return len(self.sample.features)


Input = Images | Features | Model | Pinned


@final
@dataclass(frozen=True)
class Wanted:
    """One argument of the command. split: of the source's own; None: all.

    required: else all images stand for a split that the source does not have. training: whether images that a model
    was trained on are meant.
    """

    spec: str
    split: str | None = None
    required: bool = True
    training: bool = False


def open_input(wanted: Wanted, registries: Registries, progress: Progress) -> Input:
    """Read images and features, load a model.

    Raises:
        UserError: there is no such thing, split, model or version.
        DataRefused: it is there but cannot be used.
        SnapshotError: the model's files are damaged.
    """
    spec, path = wanted.spec, Path(wanted.spec).expanduser()
    if spec.startswith("models:"):
        _no_split(wanted, "a model")
        return _registered(spec, registries)
    if _is_there(path / MODEL) or _is_there(path / WEIGHTS):
        _no_split(wanted, "a model")
        return _snapshot(spec, path)
    if is_array_file(spec):
        _no_split(wanted, "an array")
        return _array(spec, str(path))
    if _is_there(path / DATASET):
        return _prepared(wanted, path)
    if _is_there(path / REFERENCE):
        return _pinned(wanted, path)
    images = read_image_set(_source(spec), wanted.split, wanted.required, progress)
    return Images(spec, images, images.split)


def _source(spec: str) -> Source:
    try:
        return open_source(spec)
    except UserError as error:
        raise UserError(
            f"{error} Here it may also be FILE.npy, FILE.npz or FILE.npz:KEY (images or features), a snapshot's "
            "directory, a workspace's data/prepared or data/reference, or models:/NAME/VERSION."
        ) from None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long, a folder that may not be read: whoever opens it will say why
        return False


def _no_split(wanted: Wanted, kind: str) -> None:
    if wanted.required and wanted.split is not None:
        raise UserError(
            f"'{wanted.spec}' is {kind} and has no split '{wanted.split}': leave its place in --split empty, as in "
            "`--split :test`."
        )


def _snapshot(name: str, directory: Path) -> Model:
    snapshot = load_snapshot(directory)
    known = (directory / TRAINING_IMAGES).exists()
    return Model(name, snapshot, read_training_images(directory, snapshot) if known else np.empty(0, np.uint64))


def _registered(uri: str, registries: Registries) -> Model:
    match = _URI.fullmatch(uri)
    if match is None:
        raise UserError(
            f"'{uri}' names no model: write models:/NAME/VERSION, models:/NAME/STAGE or models:/NAME@alias."
        )
    registry = registries(match["name"])
    with registered_snapshot(registry, _version(uri, match, registry)) as (directory, _):
        return _snapshot(uri, directory)


def _version(uri: str, match: re.Match[str], registry: ModelRegistry) -> ModelVersion:
    versions = registry.versions()
    alias, wanted = match["alias"], (match["version"] or "").lower()
    for version in versions:  # newest first
        aliased = alias is not None and alias in version.aliases
        if aliased or wanted in ("latest", str(version.version), version.stage.lower()):
            return version
    there = ", ".join(_described(version) for version in versions) or "none: `ganops run` makes the first"
    raise UnknownName(f"The registry has no '{uri}'. Versions of {match['name']}: {there}.")


def _described(version: ModelVersion) -> str:
    return f"{version.version} ({', '.join((version.stage, *(f'@{alias}' for alias in version.aliases)))})"


def _array(name: str, spec: str) -> Input:
    array = read_array_file(spec)
    if array.dtype == np.uint8 and image_layout(array.shape):
        images = as_nchw(array)
        if min(images.shape) == 0:
            raise SourceRefused(f"{name} is empty: its shape is {array.shape}.")
        return Images(name, ImageSet.bare(images), None)
    if array.dtype.kind == "f" and array.ndim == 2:
        return Features(name, checked_features(array, name))
    raise SourceRefused(
        f"{name} holds {array.dtype} of shape {array.shape}, which is neither images nor features. Images are uint8, "
        "0 to 255, of shape (N, C, H, W), (N, H, W, C) or (N, H, W) with 1 or 3 channels; features are floating-point "
        "numbers of shape (N, d)."
    )


def checked_features(features: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """float32 or float64 (N, d), in memory.

    Raises:
        DataRefused: there are none, or a number is not finite or too large.
    """
    wide = features.dtype.itemsize > 4
    with np.errstate(over="ignore"):  # a longer float may not fit: infinite, and told below
        found: npt.NDArray[Any] = np.array(features, np.float64 if wide else np.float32)
    if 0 in found.shape:
        raise DataRefused(f"{name} holds no features: its shape is {features.shape}.")
    if bad := int((~np.isfinite(found)).any(1).sum()):
        raise DataRefused(
            f"The features of {bad} of {len(found)} images of {name} hold a number that is not finite (NaN or "
            "infinite): nothing can be measured with them. Compute them again."
        )
    if (largest := max(-float(found.min()), float(found.max()))) > LARGEST:
        raise DataRefused(
            f"Features of {name} reach {largest:.1e}: {TOO_LARGE}. Look at what they were computed with, or divide "
            "those of both sides by the same number."
        )
    return found


def first_bytes(ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Of digests (N, 32) the first 8 bytes, big-endian, (N,)."""
    return np.ascontiguousarray(ids[:, :8]).view(">u8").reshape(-1).astype(np.uint64)


def _prepared(wanted: Wanted, path: Path) -> Images:
    dataset = load(path)
    names = list(dataset.counts)
    if wanted.split not in names:
        raise UserError(
            f"{wanted.spec} is a prepared data set with the splits {', '.join(names)}: choose one with --split, as in "
            "`--split :select`."
        )
    chosen = dataset.split(names[names.index(wanted.split)])
    images = ImageSet(chosen.images_u8, chosen.labels, dataset.classes, wanted.split, encoded=first_bytes(chosen.ids))
    return Images(wanted.spec, images, wanted.split)


def _pinned(wanted: Wanted, path: Path) -> Pinned:
    readers = {"select": select_reference, "test": test_reference}
    split = "select" if wanted.training else wanted.split  # either comes with the training images
    if split not in readers:
        raise UserError(
            f"{wanted.spec} is a workspace's reference, of the splits {' and '.join(readers)}: choose one with "
            "--split, as in `--split :select`."
        )
    sample, extractor = readers[split](path), load_extractor(path / "extractor")
    if sample.extractor_sha256 != extractor.sha256:
        raise UserError(
            f"{wanted.spec} is of another protocol: it was made with the extractor {sample.extractor_sha256[:8]}, and "
            f"the one beside it is {extractor.sha256[:8]}. Run `ganops reference` again."
        )
    return Pinned(wanted.spec, sample, extractor)
