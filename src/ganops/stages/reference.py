"""reference: the prepared splits become a pinned extractor and what it sees in each of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from ganops.config import Config, ReferenceConfig
from ganops.data.prepared import PreparedDataset, PreparedSplit, load
from ganops.data.split import SPLITS, Split
from ganops.errors import ConfigError, ExtractorError, TooFewImages
from ganops.evaluation.extractors import Card, Extractor, Observed, save_extractor, train_classifier
from ganops.evaluation.extractors.network import ExtractorNetwork
from ganops.evaluation.extractors.training import project
from ganops.evaluation.frechet import frechet_distance_of
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.reference import FORMAT, METRIC_VERSION, REFERENCE, reference_hash, train_rows
from ganops.evaluation.threads import one_thread
from ganops.files import replace_directory, write_json
from ganops.layout import Layout
from ganops.progress import Progress, silent

IMAGES_PER_DIMENSION = 10
"""A covariance of d dimensions asks for at least that many held-out images for each."""
MIN_DIMENSIONS = 8


@final
@dataclass(frozen=True)
class ReferenceReport:
    """What generators will be judged by.

    accuracy: share of `select` that the classifier gets right. dim: of the features.
    floor: plain Fréchet distance of train to select: what real images score.
    """

    extractor: str
    extractor_sha256: str
    accuracy: float
    dim: int
    floor: float
    counts: dict[Split, int]
    hashes: dict[Split, str]

    @property
    def sentence(self) -> str:
        return (
            f"{self.extractor} {self.extractor_sha256[:8]} gets {self.accuracy:.1%} of held-out images right; "
            f"{self.dim} features; Fréchet distance of real images {self.floor:z.3g}"
        )

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def reference(layout: Layout, config: Config, progress: Progress = silent) -> ReferenceReport:
    """Train and pin the extractor, and write `data/reference` anew; the same inputs give the same bytes.

    Raises:
        UserError: nothing is prepared yet.
        ConfigError: the images have no labels, or all the same.
        TooFewImages: a held-out split is too small for the fewest dimensions.
        ExtractorError: the classifier is too weak to judge by.
    """
    dataset = load(layout.prepared)
    train, select = dataset.split("train"), dataset.split("select")
    _check_labels(dataset, train)
    dimensions = dimensions_for(min(dataset.counts["select"], dataset.counts["test"]), config.reference.features)
    rows = train_rows(len(train))
    network = _train(train, len(dataset.classes), config.reference, dimensions, rows, progress)
    with replace_directory(layout.reference) as folder:
        extractor = _pin(folder / "extractor", network, dataset, select, config.reference)
        facts = _write_splits(folder, dataset, extractor, rows, progress)
        features = {name: np.load(folder / name / "features.npy", allow_pickle=False) for name in ("train", "select")}
        with one_thread():
            floor = frechet_distance_of(features["train"], features["select"])
        write_json(folder / REFERENCE, _summary(dataset, extractor, facts, floor))
    return ReferenceReport(
        extractor.card.kind,
        extractor.sha256,
        extractor.card.accuracy,
        extractor.dim,
        floor,
        {name: facts[name]["count"] for name in SPLITS},
        {name: facts[name]["hash"] for name in SPLITS},
    )


def dimensions_for(smallest_held_out: int, width: int) -> int:
    """Feature dimensions that the smaller held-out split can carry.

    Raises:
        TooFewImages: fewer than `MIN_DIMENSIONS`.
    """
    dimensions = min(width, smallest_held_out // IMAGES_PER_DIMENSION)
    if dimensions < MIN_DIMENSIONS:
        needed = MIN_DIMENSIONS * IMAGES_PER_DIMENSION
        raise TooFewImages(
            f"The smaller of the splits select and test has {smallest_held_out} images, and at least {needed} are "
            "needed to measure a Fréchet distance. Add images with `ganops data add`, or raise data.split.select and "
            "data.split.test in params.yaml."
        )
    return dimensions


def _check_labels(dataset: PreparedDataset, train: PreparedSplit) -> None:
    unlabelled = int((train.labels < 0).sum())
    if unlabelled == len(train):
        raise ConfigError(
            "'reference.extractor' in params.yaml is 'classifier', which learns from labels, and these images have "
            "none; there is no extractor for unlabelled images yet. Give labels (a subfolder for each class, or a "
            "label column in parquet), make a new workspace with `ganops init` and add the images there: a workspace "
            "does not take an image a second time."
        )
    if unlabelled:
        raise ConfigError(
            f"'reference.extractor' in params.yaml is 'classifier', which learns from labels, and {unlabelled} of "
            f"{len(train)} training images have none. Make a new workspace with `ganops init` and add there what has "
            "labels, and nothing else."
        )
    if len(np.unique(train.labels)) < 2:
        raise ConfigError(
            "'reference.extractor' in params.yaml is 'classifier', which needs at least two classes, and all images "
            f"have the label '{dataset.classes[int(train.labels[0])]}'. Add labelled images of another class."
        )


def _train(
    train: PreparedSplit,
    num_classes: int,
    config: ReferenceConfig,
    dimensions: int,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    progress: Progress,
) -> ExtractorNetwork:
    classifier = train_classifier(train.images_u8, train.labels, num_classes, config, progress)
    return project(classifier, train.images_u8[rows], dimensions)


def _pin(
    folder: Path, network: ExtractorNetwork, dataset: PreparedDataset, select: PreparedSplit, config: ReferenceConfig
) -> Extractor:
    """Save the extractor with its held-out accuracy, unless that is too low."""
    card = Card(
        kind=config.extractor,
        image_shape=dataset.image_shape,
        width=config.features,
        dim=network.projection.matrix.shape[1],
        classes=dataset.classes,
        accuracy=0.0,
        preprocessing=dataset.preprocessing,
        seed=config.seed,
    )
    labelled = select.labels >= 0
    predicted = Extractor(network, card, "").observe(select.images_u8).classes
    accuracy = float((predicted == select.labels)[labelled].mean()) if labelled.any() else 0.0
    if accuracy < config.min_accuracy:
        raise ExtractorError(
            f"The classifier that generators would be judged by gets {accuracy:.1%} of the held-out images right, "
            f"under the {config.min_accuracy:.1%} of reference.min_accuracy in params.yaml. Check the labels, raise "
            f"reference.epochs (now {config.epochs}) or add images; lower reference.min_accuracy only if the classes "
            "really are that hard to tell apart."
        )
    return save_extractor(folder, network, dataclasses.replace(card, accuracy=accuracy))


def _write_splits(
    folder: Path,
    dataset: PreparedDataset,
    extractor: Extractor,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    progress: Progress,
) -> dict[Split, dict[str, Any]]:
    facts: dict[Split, dict[str, Any]] = {}
    for name in SPLITS:
        split = dataset.split(name)
        images_u8, ids = (split.images_u8[rows], split.ids[rows]) if name == "train" else (split.images_u8, split.ids)
        observed: Observed = extractor.observe(images_u8, progress=progress)
        (folder / name).mkdir()
        np.save(folder / name / "features.npy", observed.features, allow_pickle=False)
        np.save(folder / name / "classes.npy", observed.classes, allow_pickle=False)
        np.save(folder / name / "ids.npy", ids, allow_pickle=False)
        np.save(folder / name / "pixels.npy", pixel_features(images_u8), allow_pickle=False)
        facts[name] = {
            "hash": reference_hash(extractor.sha256, split.sha256),
            "images_sha256": split.sha256,
            "count": len(ids),
            "of": len(split),
        }
    return facts


def _summary(
    dataset: PreparedDataset, extractor: Extractor, facts: dict[Split, dict[str, Any]], floor: float
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "metric_version": METRIC_VERSION,
        "score": extractor.score_name,
        "extractor": {
            "kind": extractor.card.kind,
            "sha256": extractor.sha256,
            "dim": extractor.dim,
            "accuracy": extractor.card.accuracy,
        },
        "image_shape": list(dataset.image_shape),
        "classes": list(dataset.classes),
        "preprocessing": dataset.preprocessing,
        "splits": facts,
        "floor": floor,
    }
