from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from ganops.config import GateConfig
from ganops.errors import ExtractorError, IncomparableReports, TooFewImages
from ganops.evaluation.compare import compare
from ganops.evaluation.judge import Judge, Metric
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sample import Sample
from ganops.gate import decide

MakeSample = Callable[..., Sample]
NONE = np.empty((0, 0), np.float32)


def test_every_metric_that_applies_has_an_interval(make_sample: MakeSample, reference: ReferenceSample) -> None:
    found = Judge(reference).judgement(make_sample(1))
    assert set(found.estimates) == set(get_args(Metric)) - {"inception_score", "mifid"}
    for name, estimate in found.estimates.items():
        assert estimate.measurement.finite, name
        assert estimate.measurement.standard_error > 0, name
    assert len(found.classes) == reference.num_classes
    assert found.offenders


def test_what_does_not_apply_is_left_out(make_sample: MakeSample, reference: ReferenceSample) -> None:
    bare = replace(reference, num_classes=0, pixels=NONE, train_pixels=NONE)
    found = Judge(bare).judgement(make_sample(1))
    assert not set(found.estimates) & {"class_coverage", "memorisation", "copies", "mifid", "inception_score"}
    assert found.classes == ()
    assert found.offenders == ()
    without_pixels = replace(make_sample(1), pixels=NONE)
    assert "copies" not in Judge(reference).estimates(without_pixels)


def test_one_image_for_ever_is_measured_and_never_promoted(make_sample: MakeSample, reference: ReferenceSample) -> None:
    honest = make_sample(1)
    collapsed = replace(honest, features=np.tile(reference.features[:1], (600, 1)), snapshot_sha256="c" * 64)
    found = compare(collapsed, honest, reference)
    assert set(found.metrics) == set(Judge(reference).estimates(honest))
    assert all(contrast.challenger.finite for contrast in found.metrics.values())
    for name in ("fd", "fd_star", "kid", "kernel_distance", "recall", "coverage"):
        assert found.metrics[name].improvement is not None and found.metrics[name].improvement.high < 0, name
    assert not decide(found, GateConfig(), attempt=1).promote


@pytest.mark.parametrize("asked", [{"kid"}, {"fd_star"}, {"recall"}, {"class_coverage"}, {"copies"}])
def test_what_is_asked_for_alone_is_the_same_as_beside_all(
    make_sample: MakeSample, reference: ReferenceSample, asked: set[Metric]
) -> None:
    few = make_sample(1)
    alone, beside = Judge(reference, frozenset(asked)).estimates(few), Judge(reference).estimates(few)
    assert asked <= set(alone) < set(beside)
    assert all(alone[name].measurement == beside[name].measurement for name in alone)


def test_inception_has_its_score_and_mifid(make_sample: MakeSample, reference: ReferenceSample) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(20), 600).astype(np.float32)
    sample = replace(make_sample(1), imagenet=probabilities)
    found = Judge(replace(reference, extractor="inception")).estimates(sample)
    assert found["inception_score"].value > 1
    assert found["mifid"].value >= found["fd"].value
    untrained = replace(reference, extractor="inception", train_features=reference.train_features[:0])
    assert "mifid" not in Judge(untrained).estimates(sample)


def test_classes_are_named_where_names_are_known(make_sample: MakeSample, reference: ReferenceSample) -> None:
    named = replace(reference, class_names=("a", "b", "c", "d"))
    assert [row.name for row in Judge(named).judgement(make_sample(1)).classes] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("features", "error", "match"),
    [
        (np.zeros((1, 8)), ExtractorError, "at least four"),
        (np.zeros((8, 8)), TooFewImages, "nearest neighbours"),
        (np.zeros((600, 7)), IncomparableReports, "8 and 7|7 and 8"),
        (np.full((600, 8), np.nan), ExtractorError, "not a finite number"),
        (np.full((600, 8), np.inf), ExtractorError, "not a finite number"),
    ],
)
def test_bad_features_are_one_clear_error(
    make_sample: MakeSample, reference: ReferenceSample, features: np.ndarray, error: type[Exception], match: str
) -> None:
    sample = replace(make_sample(1), features=features.astype(np.float32))
    with pytest.raises(error, match=match):
        Judge(reference).judgement(sample)


def test_a_collapsed_generator_and_a_reference_of_repeated_images_are_never_promoted(
    make_sample: MakeSample, reference: ReferenceSample
) -> None:
    """Neither stops the evaluation: one has finite and bad figures, the other is not measured."""
    champion, honest = make_sample(2), make_sample(1)
    collapsed = replace(honest, features=np.repeat(honest.features[:1], len(honest.features), axis=0))
    found = compare(collapsed, champion, reference)
    assert all(contrast.challenger.finite for contrast in found.metrics.values())
    assert found.metrics["recall"].challenger.value == 0.0
    assert not decide(found, GateConfig(), attempt=1).promote
    repeated = replace(reference, features=np.repeat(reference.features[:30], 10, axis=0))
    assert all(row.coverage is None for row in Judge(repeated).judgement(honest).classes)
    decision = decide(compare(honest, champion, repeated), GateConfig(), attempt=1)
    assert not decision.promote and "Coverage was not measured" in decision.sentence


@pytest.mark.parametrize(
    ("features", "error", "match"),
    [
        (np.zeros((300, 8)), ExtractorError, "All 300 reference images"),
        (np.full((300, 8), np.nan), ExtractorError, "not a finite number"),
        (np.eye(8)[:1], ExtractorError, "at least two"),
        (np.eye(8)[:5], TooFewImages, "nearest neighbours"),
    ],
)
def test_a_bad_reference_is_one_clear_error(
    reference: ReferenceSample, features: np.ndarray, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Judge(replace(reference, features=features.astype(np.float32)))
