"""Whose eyes a score is seen with: an extractor that is there, or one that is fitted now and kept."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from ganops.config import ReferenceConfig
from ganops.data.image_set import ImageSet
from ganops.errors import DataRefused, UserError
from ganops.evaluation.extractors import Card, Extractor, load_extractor, save_extractor, train_classifier
from ganops.evaluation.extractors.training import project
from ganops.files import digest_json, write_bytes
from ganops.progress import Progress
from ganops.provenance.code import modules_digest
from ganops.stages.reference import IMAGES_PER_DIMENSION, MIN_DIMENSIONS
from ganops.stages.score_cache import Arrays, Cache

KINDS = ("classifier",)
SETTINGS = ReferenceConfig()
"""Of an extractor that is fitted now: the defaults of `params.yaml`."""
_HELD_OUT_SHARE = 10


@final
@dataclass(frozen=True, eq=False)
class Fitting:
    """Images that an extractor may be fitted to. role: `train` or `b`; name: as the user wrote it."""

    role: str
    name: str
    images: ImageSet


@final
@dataclass(frozen=True, eq=False)
class Chosen:
    """The extractor, and in words where it comes from. fitted_on: the role of what it was fitted to just for this
    score; None where it was there before."""

    extractor: Extractor
    origin: str
    fitted_on: str | None = None


def choose_extractor(
    wanted: str | None,
    image_shape: tuple[int, int, int],
    workspace_extractor: Path | None,
    fitting: Fitting | None,
    cache: Cache,
    progress: Progress,
) -> Chosen:
    """The one that was asked for, else the workspace's where it fits, else one that is fitted now.

    wanted: `classifier`, or a directory. fitting: None where there are no images to fit to.

    Raises:
        UserError: there is no such extractor, it is made for other images, or nothing is there to fit one to.
        SnapshotError: its files are damaged.
    """
    if wanted is None:
        if workspace_extractor is not None and (workspace_extractor / "extractor.json").exists():
            found = load_extractor(workspace_extractor)
            if _fits(found, image_shape):
                return Chosen(found, "the workspace's own")
        return _fitted("classifier", fitting, cache, progress)
    if wanted in KINDS:
        return _fitted(wanted, fitting, cache, progress)
    extractor = named_extractor(wanted)
    require_fitting(extractor, wanted, image_shape)
    return Chosen(extractor, f"from {wanted}")


def named_extractor(wanted: str) -> Extractor:
    """A pinned one.

    Raises:
        UserError: there is none of that name.
        SnapshotError: its files are damaged.
    """
    directory = Path(wanted).expanduser()
    if not directory.is_dir():
        near = difflib.get_close_matches(wanted, KINDS, n=1)
        meant = f", did you mean '{near[0]}'?" if near else "."
        raise UserError(
            f"There is no extractor '{wanted}'{meant} Name the directory of one, such as data/reference/extractor of a "
            f"workspace, or one of {', '.join(KINDS)}."
        )
    return load_extractor(directory)


def require_fitting(extractor: Extractor, name: str, image_shape: tuple[int, int, int] | None) -> None:
    """Raises UserError where the extractor is made for other images (C, H, W)."""
    if image_shape is not None and not _fits(extractor, image_shape):
        raise UserError(
            f"The extractor of {name} looks at images of {extractor.card.image_shape} (channels, height, width), and "
            f"these are {image_shape}. Choose an extractor that was made for such images, or `--extractor classifier`, "
            "which is fitted to them."
        )


def _fits(extractor: Extractor, image_shape: tuple[int, int, int]) -> bool:
    return extractor.card.image_shape in (None, image_shape)


def _fitted(kind: str, fitting: Fitting | None, cache: Cache, progress: Progress) -> Chosen:
    if fitting is None:
        raise UserError(
            "There are no images here to fit an extractor to. Name images with --train, or a pinned extractor with "
            "--extractor DIR."
        )
    images = fitting.images
    if not images.labelled:
        raise UserError(
            f"The extractor 'classifier' learns from labels, and {fitting.name} has not a label of one of two or more "
            "classes for each image. Give labels (a subfolder for each class, a labels file, a label column in "
            "parquet), or name another extractor with --extractor DIR."
        )
    dimensions = _dimensions(len(images))
    key = {
        "what": "extractor",
        "kind": kind,
        "images": images.sha256(),
        "labels": digest_json(images.labels.tolist()),
        "classes": list(images.classes),
        "settings": SETTINGS.model_dump(mode="json"),
        "dimensions": dimensions,
        "code": modules_digest("ganops.evaluation.extractors"),
        "torch": torch.__version__,
    }

    def fit(directory: Path) -> None:
        _fit_classifier(directory, images, dimensions, progress)

    files = cache.recall(key, lambda: _packed(fit))
    origin = f"fitted to the labels of {fitting.name} ({'B' if fitting.role == 'b' else 'training'})"
    return Chosen(_unpacked(files), origin, fitting.role)


def _dimensions(count: int) -> int:
    return max(MIN_DIMENSIONS, min(SETTINGS.features, count // IMAGES_PER_DIMENSION))


def _fit_classifier(directory: Path, images: ImageSet, dimensions: int, progress: Progress) -> None:
    if len(images) < 2 * MIN_DIMENSIONS:
        raise DataRefused(
            f"{len(images)} images are too few to fit a classifier to; at least {2 * MIN_DIMENSIONS} are needed. Name "
            "a pinned extractor with --extractor DIR."
        )
    order = np.random.Generator(np.random.Philox(key=[SETTINGS.seed, 2])).permutation(len(images))
    held_out, learnt = np.sort(order[::_HELD_OUT_SHARE]), np.sort(np.setdiff1d(order, order[::_HELD_OUT_SHARE]))
    pixels = np.ascontiguousarray(images.images_u8)
    network = train_classifier(pixels[learnt], images.labels[learnt], len(images.classes), SETTINGS, progress)
    card = Card(
        kind="classifier",
        image_shape=images.shape,
        width=SETTINGS.features,
        dim=dimensions,
        classes=images.classes,
        accuracy=0.0,
        preprocessing=preprocessing(images.shape),
        seed=SETTINGS.seed,
    )
    projected = project(network, pixels[learnt], dimensions)
    right = Extractor(projected, card, "").observe(pixels[held_out]).classes == images.labels[held_out]
    save_extractor(directory, projected, Card(**{**vars(card), "accuracy": float(right.mean())}))


def preprocessing(image_shape: tuple[int, int, int]) -> str:
    """Names the pixels' way where there is none: they are taken as they are."""
    channels, height, width = image_shape
    return f"as-is-{'rgb' if channels == 3 else 'grey'}-{height}x{width}@1"


def _packed(fit: Callable[[Path], None]) -> Arrays:
    """The files of an extractor's directory, as arrays of bytes."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "extractor"
        fit(directory)
        return {path.name: np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(directory.iterdir())}


def _unpacked(files: Arrays) -> Extractor:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            write_bytes(Path(folder) / name, content.tobytes())
        return load_extractor(Path(folder))


def features_key(extractor: Extractor, images_sha256: str) -> dict[str, Any]:
    """All that the features of images depend on."""
    return {
        "what": "features",
        "extractor": extractor.sha256,
        "images": images_sha256,
        "code": modules_digest("ganops.evaluation.extractors"),
        "torch": torch.__version__,
    }
