"""From two sides to metrics: the gate's own engine, with A as the only model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ganops.errors import TooFewImages, UserError
from ganops.evaluation.compare import Comparison, compare
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.extractors import Extractor
from ganops.evaluation.judge import PAIRWISE_LIMIT
from ganops.evaluation.manifold import NEIGHBOURS
from ganops.evaluation.protocol import Protocol
from ganops.evaluation.reference import METRIC_VERSION, ReferenceSample, reference_hash
from ganops.evaluation.sample import Sample
from ganops.evaluation.threads import one_thread
from ganops.progress import Progress
from ganops.stages.score_inputs import Input, Model
from ganops.stages.score_looking import Seen

MEMORY = frozenset({"memorisation"})
"""Metrics that hold training images against held-out ones."""
_GIVEN = "features"


@final
@dataclass(frozen=True)
class Found:
    """score: the name of the Fréchet distance."""

    score: str
    metrics: Mapping[str, Measurement]
    protocol: Mapping[str, Any]


def require_enough(inputs: Mapping[str, Input], num_images: int | None) -> None:
    """Look before the work whether there is enough to measure with.

    Raises:
        TooFewImages: A or B has fewer than the metrics need.
    """
    for role in ("a", "b"):
        item = inputs[role]
        drawn = num_images if role == "a" or isinstance(item, Model) else None
        there = [count for count in (None if isinstance(item, Model) else len(item), drawn) if count is not None]
        if there and min(there) <= NEIGHBOURS:
            count = min(there)
            raise TooFewImages(
                f"{count} image{'s' * (count != 1)} of {item.name} would be measured, and at least {NEIGHBOURS + 1} "
                f"are needed on either side: precision and recall look at the {NEIGHBOURS} nearest neighbours. For an "
                "interval that says something, hundreds are needed."
            )


def require_comparable(sides: Mapping[str, Seen]) -> None:
    """Raises UserError for features of different widths."""
    a = sides["a"]
    for side in sides.values():
        if side.features.shape[1] != a.features.shape[1]:
            raise UserError(
                f"The features differ in width: {a.name} has {a.features.shape[1]} numbers for each image and "
                f"{side.name} has {side.features.shape[1]}. Compute both with the same extractor."
            )


def measure(sides: Mapping[str, Seen], extractor: Extractor | None, seed: int, progress: Progress) -> Found:
    """Every metric that the engine has; one that does not apply is left out or is no finite number."""
    reference = _reference(sides["b"], sides.get("train"), extractor)
    comparison = _compared(sides["a"], reference, extractor, seed, progress)
    metrics = {name: contrast.challenger for name, contrast in comparison.metrics.items()}
    if not reference.num_classes:
        metrics.pop("class_coverage", None)
    if "train" not in sides:
        metrics = {name: item for name, item in metrics.items() if name not in MEMORY}
    elif "heldout" in sides:
        held_out = _reference(sides["heldout"], sides["train"], extractor)
        second = _compared(sides["a"], held_out, extractor, seed, progress)
        metrics |= {name: second.metrics[name].challenger for name in MEMORY if name in second.metrics}
    progress(1, 1, "done")
    return Found(comparison.protocol.score, metrics, _protocol(comparison, sides, extractor))


def _compared(
    a: Seen, reference: ReferenceSample, extractor: Extractor | None, seed: int, progress: Progress
) -> Comparison:
    protocol = Protocol(
        score=extractor.score_name if extractor else f"fd_{_GIVEN}",
        extractor=reference.extractor,
        extractor_sha256=reference.extractor_sha256,
        preprocessing=reference.preprocessing,
        split=reference.split,
        reference_hash=reference.hash,
        num_images=len(a),
        num_reference=len(reference.features),
        seed=seed,
        metric_version=reference.metric_version,
    )
    classes = a.classes if a.classes is not None else np.zeros(len(a), np.int64)
    sample = Sample(a.sha256, a.features, classes, protocol, np.empty(0, np.uint64))
    with one_thread():
        return compare(sample, None, reference, progress)


def _reference(side: Seen, train: Seen | None, extractor: Extractor | None) -> ReferenceSample:
    sha256 = extractor.sha256 if extractor else _GIVEN
    classes = side.classes if side.classes is not None else np.zeros(len(side), np.int64)
    return ReferenceSample(
        split=side.split or "all",  # type: ignore[arg-type]
        features=side.features,
        classes=classes,
        ids=np.empty((0, 32), np.uint8),  # what a model was trained on is told, and refused by the gate alone
        train_features=train.features if train else side.features[:0],
        num_classes=len(extractor.card.classes) if extractor else 0,
        hash=side.sha256 if side.kind == "reference" else reference_hash(sha256, side.sha256),
        extractor=extractor.card.kind if extractor else _GIVEN,
        extractor_sha256=sha256,
        preprocessing="as-is@1",
        metric_version=METRIC_VERSION,
    )


def _protocol(comparison: Comparison, sides: Mapping[str, Seen], extractor: Extractor | None) -> dict[str, Any]:
    """The gate's protocol, and what it does not have to say because a workspace does."""
    return {
        **comparison.protocol.to_json(),
        "extractor_accuracy": extractor.card.accuracy if extractor else None,
        "dim": int(sides["a"].features.shape[1]),
        "neighbours": NEIGHBOURS,
        "pairwise_limit": PAIRWISE_LIMIT,
        "num_train": len(sides["train"]) if "train" in sides else None,
        "num_heldout": len(sides["heldout"]) if "heldout" in sides else None,
    }
