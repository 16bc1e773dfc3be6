"""Challenger against champion: every difference with its standard error. Decides nothing."""

from __future__ import annotations

import numpy as np

from ganops.errors import IncomparableReports
from ganops.evaluation.comparison import Comparison, Contrast
from ganops.evaluation.estimate import Estimate
from ganops.evaluation.judge import METRICS, SMALLER_IS_BETTER, Judge, Metric
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sample import Sample
from ganops.files import digest_json
from ganops.progress import Progress, silent


def compare(
    challenger: Sample,
    champion: Sample | None,
    reference: ReferenceSample,
    progress: Progress = silent,
    metrics: frozenset[Metric] = METRICS,
) -> Comparison:
    """Every metric of both, or at least those of `metrics`, measured alike on one reference.

    Raises:
        IncomparableReports: a field of the protocols differs, or a model was trained on a reference image.
    """
    for name, sample in (("challenger", challenger), ("champion", champion)):
        if sample is not None:
            _check_protocol(name, sample, reference)
            _check_unseen(name, sample, reference)
    if champion is not None and (field := challenger.protocol.first_difference(champion.protocol)):
        raise _incomparable(
            "challenger", field, getattr(challenger.protocol, field), "champion", getattr(champion.protocol, field)
        )
    steps = 3 if champion is not None else 2
    progress(0, steps, "measuring the reference")
    judge = Judge(reference, metrics)
    progress(1, steps, "measuring the challenger")
    ours = judge.estimates(challenger)
    theirs: dict[Metric, Estimate] = {}
    if champion is not None:
        progress(2, steps, "measuring the champion")
        theirs = judge.estimates(champion)
    progress(steps, steps, "measured")
    return Comparison(
        challenger=challenger.snapshot_sha256,
        champion=champion.snapshot_sha256 if champion is not None else None,
        protocol=challenger.protocol,
        metrics={metric: _contrast(metric, ours[metric], theirs.get(metric)) for metric in ours},
    )


def comparison_seed(challenger_sha256: str, champion_sha256: str | None, reference_hash: str) -> int:
    """Seed of both models' latents, 0 … 2³¹ - 1: the same pair on the same reference cannot be drawn twice."""
    digest = digest_json({"challenger": challenger_sha256, "champion": champion_sha256, "reference": reference_hash})
    return int(digest[:8], 16) >> 1


def _contrast(metric: Metric, ours: Estimate, theirs: Estimate | None) -> Contrast:
    if theirs is None:
        return Contrast(ours.measurement, None, None)
    improvement = theirs.minus(ours) if metric in SMALLER_IS_BETTER else ours.minus(theirs)
    return Contrast(ours.measurement, theirs.measurement, improvement)


def _check_protocol(name: str, sample: Sample, reference: ReferenceSample) -> None:
    own = {
        "extractor": reference.extractor,
        "extractor_sha256": reference.extractor_sha256,
        "preprocessing": reference.preprocessing,
        "split": reference.split,
        "reference_hash": reference.hash,
        "num_reference": len(reference.features),
        "metric_version": reference.metric_version,
        "extractor_accuracy": reference.extractor_accuracy,
        "grey_repeated": reference.grey_repeated,
    }
    for field, value in own.items():
        if getattr(sample.protocol, field) != value:
            raise _incomparable(name, field, getattr(sample.protocol, field), "reference", value)
    if len(sample.features) != sample.protocol.num_images:
        raise _incomparable(name, "num_images", len(sample.features), "protocol", sample.protocol.num_images)


def _check_unseen(name: str, sample: Sample, reference: ReferenceSample) -> None:
    short = np.ascontiguousarray(reference.ids[:, :8]).view(">u8").reshape(-1).astype(np.uint64)
    seen = int(np.isin(short, sample.training_images).sum())
    if seen:
        raise IncomparableReports(
            f"training_images: the {name} ({sample.snapshot_sha256[:8]}) was trained on {seen} of the {len(short)} "
            "images that it would be judged by, as happens when the split's seed or shares change in params.yaml. "
            "Put the split back, or retrain the model with the split of today."
        )


def _incomparable(name: str, field: str, value: object, other: str, other_value: object) -> IncomparableReports:
    return IncomparableReports(
        f"{field} differs: {value} for the {name}, {other_value} for the {other}. Scores of different protocols "
        "cannot be compared. Measure both now with the same extractor, data and counts, or retrain the older model."
    )
