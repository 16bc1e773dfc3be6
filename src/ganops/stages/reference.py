"""reference: the prepared splits become a pinned extractor and what it sees in each of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ganops.config import Config, ReferenceConfig
from ganops.data.prepared import PreparedDataset, PreparedSplit, load
from ganops.data.split import SPLITS, Split
from ganops.errors import ConfigError, ExtractorError, TooFewImages
from ganops.evaluation.extractors import (
    Extractor,
    Observed,
    custom,
    fit_classifier,
    fit_pretext,
    inception,
    save_extractor,
)
from ganops.evaluation.extractors.card import Kind
from ganops.evaluation.extractors.fitting import Learnt, fitted_to
from ganops.evaluation.extractors.training import divided
from ganops.evaluation.frechet import frechet_distance_of
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.reference import (
    FORMAT,
    METRIC_VERSION,
    REFERENCE,
    array_digests,
    reference_hash,
    train_rows,
)
from ganops.evaluation.threads import one_thread
from ganops.files import replace_directory, write_json
from ganops.layout import Layout
from ganops.progress import Progress, silent

IMAGES_PER_DIMENSION = 10
"""A covariance of d dimensions asks for at least that many held-out images for each."""
MIN_DIMENSIONS = 8
LEAST_RECOGNISED = 0.1
"""A pretext extractor that knows fewer images again has learnt nothing; by chance it would be 1 in 255."""


@final
@dataclass(frozen=True)
class ReferenceReport:
    """What generators will be judged by.

    why: how the extractor was chosen. accuracy: share of held-out images for which it does its `task` rightly, None
    where it has none. dim: of the features. floor: plain Fréchet distance of train to select: what real images score.
    """

    extractor: str
    extractor_sha256: str
    why: str
    task: str
    accuracy: float | None
    dim: int
    floor: float
    counts: dict[Split, int]
    hashes: dict[Split, str]

    @property
    def sentence(self) -> str:
        """In one line."""
        right = "" if self.accuracy is None else f"{self.accuracy:.1%} of held-out images right ({self.task}); "
        return (
            f"{self.extractor}@{self.extractor_sha256[:8]}, {self.why}; {right}{self.dim} features; real images score "
            f"{self.floor:z.3g}"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def reference(layout: Layout, config: Config, progress: Progress = silent) -> ReferenceReport:
    """Make and pin the extractor, and write `data/reference` anew; the same inputs give the same bytes.

    Raises:
        UserError: nothing is prepared yet, or the files of the extractor cannot be used.
        ConfigError: a classifier is asked for, and the images have no labels, or all the same.
        TooFewImages: a held-out split is too small for the fewest dimensions.
        ExtractorError: the extractor is too weak to judge by.
    """
    dataset = load(layout.prepared)
    kind, why = chosen_kind(config.reference, dataset)
    carried = dimensions_for(min(dataset.counts["select"], dataset.counts["test"]))
    shown = _shown(dataset)
    if kind in ("classifier", "pretext"):
        made, seen = _trained(kind, dataset, config.reference, carried, shown, progress)
    else:
        made, seen = _ready_made(kind, layout.root, dataset, config.reference, carried, shown, progress)
    with replace_directory(layout.reference) as folder:
        extractor = save_extractor(
            folder / "extractor", made.network, replace(made.card, preprocessing=dataset.preprocessing)
        )
        facts = _write_splits(folder, dataset, extractor, shown, seen)
        with one_thread():
            floor = frechet_distance_of(seen["train"].features, seen["select"].features)
        write_json(folder / REFERENCE, _summary(dataset, extractor, facts, floor))
    card = extractor.card
    return ReferenceReport(
        extractor=card.kind,
        extractor_sha256=extractor.sha256,
        why=why,
        task=card.task,
        accuracy=card.accuracy,
        dim=extractor.dim,
        floor=floor,
        counts={name: facts[name]["count"] for name in SPLITS},
        hashes={name: facts[name]["hash"] for name in SPLITS},
    )


def chosen_kind(settings: ReferenceConfig, dataset: PreparedDataset) -> tuple[Kind, str]:
    """Which extractor, and why in a few words.

    Raises:
        ConfigError: a classifier is asked for by name, and the images cannot be learnt from.
    """
    lack = _lack_of_labels(dataset, dataset.split("train"))
    if settings.extractor == "auto":
        if lack is None:
            return "classifier", f"since every image has one of {len(dataset.classes)} labels"
        return "pretext", f"since {lack}"
    if settings.extractor == "classifier" and lack is not None:
        raise ConfigError(
            f"'reference.extractor' in params.yaml is 'classifier', which learns from labels of two or more classes, "
            f"and {lack}. Set reference.extractor: pretext (or auto), which needs no labels; or give every image a "
            "label (a subfolder for each class, or a label column in parquet), make a new workspace with `ganops init` "
            "and add the images there: a workspace does not take an image a second time."
        )
    return settings.extractor, "as configured"


def dimensions_for(smallest_held_out: int) -> int:
    """Feature dimensions that the smaller held-out split can carry.

    Raises:
        TooFewImages: fewer than `MIN_DIMENSIONS`.
    """
    dimensions = smallest_held_out // IMAGES_PER_DIMENSION
    if dimensions < MIN_DIMENSIONS:
        needed = MIN_DIMENSIONS * IMAGES_PER_DIMENSION
        raise TooFewImages(
            f"The smaller of the splits select and test has {smallest_held_out} images, and at least {needed} are "
            "needed to measure a Fréchet distance. Add images with `ganops data add`, or raise data.split.select and "
            "data.split.test in params.yaml."
        )
    return dimensions


def _lack_of_labels(dataset: PreparedDataset, train: PreparedSplit) -> str | None:
    """Why a classifier cannot learn from the training images; None where it can."""
    unlabelled = int((train.labels < 0).sum())
    if unlabelled == len(train):
        return "the images have no labels"
    if unlabelled:
        return f"{unlabelled} of {len(train)} training images have no label"
    if len(np.unique(train.labels)) < 2:
        return f"all images have the label '{dataset.classes[int(train.labels[0])]}'"
    return None


@final
@dataclass(frozen=True)
class _Shown:
    """The images of a split that an extractor looks at, and their ids: of `train` at most `TRAIN_LIMIT`."""

    images_u8: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    ids: npt.NDArray[np.uint8]


def _shown(dataset: PreparedDataset) -> dict[Split, _Shown]:
    shown = {}
    for name in SPLITS:
        split = dataset.split(name)
        rows = train_rows(len(split)) if name == "train" else np.arange(len(split))
        everything = len(rows) == len(split)
        images_u8 = split.images_u8 if everything else split.images_u8[rows]
        shown[name] = _Shown(images_u8, split.labels[rows], split.ids[rows])
    return shown


_Made = tuple[Extractor, dict[Split, Observed]]
"""An extractor, and what it sees in each split."""


def _trained(
    kind: Kind,
    dataset: PreparedDataset,
    settings: ReferenceConfig,
    carried: int,
    shown: dict[Split, _Shown],
    progress: Progress,
) -> _Made:
    """A classifier or a pretext extractor, its features no wider than `carried`, if it is a judge."""
    train, seed, width = dataset.split("train"), settings.seed, min(carried, settings.features)
    if kind == "classifier":
        names = dataset.classes
        made = fit_classifier(train.images_u8, train.labels, names, settings, seed, progress, dimensions=width)
    else:
        made = fit_pretext(train.images_u8, settings, seed, progress, dimensions=width)
    seen = {name: made.observe(shown[name].images_u8, progress=progress) for name in SPLITS}
    if kind == "classifier":
        made = made.with_card(accuracy=_accuracy(seen["select"], shown["select"]))
    _check_strength(made, settings)
    return made, seen


def _ready_made(
    kind: Kind,
    root: Path,
    dataset: PreparedDataset,
    settings: ReferenceConfig,
    carried: int,
    shown: dict[Split, _Shown],
    progress: Progress,
) -> _Made:
    """Inception or a custom network: what follows it is fitted to what it sees, so that it looks only once."""
    if kind == "inception":
        weights = settings.inception.weights
        plain = inception(root / weights if weights is not None else None, settings.inception.tap, progress)
        dimensions = None if plain.dim <= carried else carried  # whole, its distance is the one of the literature
    else:
        given = settings.custom
        assert given.onnx is not None and given.sha256 is not None, "checked by the configuration"
        plain = custom(root / given.onnx, given.sha256, given.preprocessing)
        dimensions = min(plain.dim, carried)
    seen = {name: plain.observe(shown[name].images_u8, progress=progress) for name in SPLITS}
    train, learnt = shown["train"], None
    if _lack_of_labels(dataset, dataset.split("train")) is None:
        learnt = Learnt(train.labels, dataset.classes, divided(train.images_u8))
    made = fitted_to(plain, seen["train"].features, dimensions, learnt)
    completed = {name: made.completed(seen[name]) for name in SPLITS}
    if learnt is not None:
        made = made.with_card(accuracy=_accuracy(completed["select"], shown["select"]))
    return made, completed


def _accuracy(observed: Observed, shown: _Shown) -> float:
    """Share of the labelled images whose class is told rightly; 0 where none is labelled."""
    labelled = shown.labels >= 0
    return float((observed.classes == shown.labels)[labelled].mean()) if labelled.any() else 0.0


def _check_strength(extractor: Extractor, settings: ReferenceConfig) -> None:
    card = extractor.card
    accuracy = card.accuracy or 0.0
    if card.kind == "classifier" and accuracy < settings.min_accuracy:
        raise ExtractorError(
            f"The classifier that generators would be judged by gets {accuracy:.1%} of the held-out images right, "
            f"under the {settings.min_accuracy:.1%} of reference.min_accuracy in params.yaml. Check the labels, raise "
            f"reference.epochs (now {settings.epochs}) or add images; lower reference.min_accuracy only if the classes "
            "really are that hard to tell apart, or set reference.extractor: pretext, which does not look at labels."
        )
    if card.kind == "pretext" and accuracy < LEAST_RECOGNISED:
        raise ExtractorError(
            f"The pretext extractor that generators would be judged by learnt too little: its task is {card.task}, and "
            f"it gets {accuracy:.1%} of the held-out images right, under {LEAST_RECOGNISED:.0%}. Add images, raise "
            f"reference.epochs (now {settings.epochs}), or choose another reference.extractor in params.yaml."
        )


def _write_splits(
    folder: Path,
    dataset: PreparedDataset,
    extractor: Extractor,
    shown: dict[Split, _Shown],
    seen: dict[Split, Observed],
) -> dict[Split, dict[str, Any]]:
    facts: dict[Split, dict[str, Any]] = {}
    for name in SPLITS:
        split, ids = dataset.split(name), shown[name].ids
        (folder / name).mkdir()
        np.save(folder / name / "features.npy", seen[name].features, allow_pickle=False)
        np.save(folder / name / "classes.npy", seen[name].classes, allow_pickle=False)
        np.save(folder / name / "ids.npy", ids, allow_pickle=False)
        np.save(folder / name / "pixels.npy", pixel_features(shown[name].images_u8), allow_pickle=False)
        facts[name] = {
            "hash": reference_hash(extractor.sha256, split.sha256),
            "images_sha256": split.sha256,
            "count": len(ids),
            "of": len(split),
            "sha256": array_digests(folder / name),
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
            "task": extractor.card.task,
            "grey_repeated": extractor.card.repeats_grey(dataset.image_shape[0]),
        },
        "image_shape": list(dataset.image_shape),
        "classes": list(extractor.card.classes),
        "preprocessing": dataset.preprocessing,
        "splits": facts,
        "floor": floor,
    }
