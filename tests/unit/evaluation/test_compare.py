from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ganops.errors import IncomparableReports
from ganops.evaluation.compare import compare, comparison_seed
from ganops.evaluation.comparison import Comparison
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sample import Sample

MakeSample = Callable[..., Sample]


def test_the_better_model_shows_an_improvement(make_sample: MakeSample, reference: ReferenceSample) -> None:
    better, worse = make_sample(1, shift=0.2), make_sample(2, shift=1.0)
    found = compare(better, worse, reference)
    for metric in ("fd_star", "kernel_distance", "recall", "coverage"):
        improvement = found.metrics[metric].improvement
        assert improvement is not None
        assert improvement.value > 3 * improvement.standard_error, metric


def test_swapping_the_models_turns_every_sign(make_sample: MakeSample, reference: ReferenceSample) -> None:
    a, b = make_sample(1), make_sample(2, scale=0.8)
    there, back = compare(a, b, reference), compare(b, a, reference)
    for metric, contrast in there.metrics.items():
        assert contrast.improvement == back.metrics[metric].improvement.negated()  # type: ignore[union-attr]


def test_the_shared_reference_is_paired(make_sample: MakeSample, reference: ReferenceSample) -> None:
    found = compare(make_sample(1), make_sample(2), reference).metrics["fd_star"]
    assert found.champion is not None
    assert found.improvement is not None
    unpaired = np.hypot(found.challenger.standard_error, found.champion.standard_error)
    assert found.improvement.standard_error < 0.9 * unpaired


def test_json_round_trip(make_sample: MakeSample, reference: ReferenceSample) -> None:
    for champion in (None, make_sample(2)):
        found = compare(make_sample(1), champion, reference)
        text = json.dumps(found.to_json(), allow_nan=False)
        assert Comparison.from_json(json.loads(text)) == found
        assert Comparison.from_json(json.loads(text)).sha256 == found.sha256


def test_without_a_champion_there_are_only_absolute_values(make_sample: MakeSample, reference: ReferenceSample) -> None:
    found = compare(make_sample(1), None, reference)
    assert found.champion is None
    assert all(item.champion is None and item.improvement is None for item in found.metrics.values())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("extractor_sha256", "f" * 64),
        ("preprocessing", "p@2"),
        ("reference_hash", "0" * 64),
        ("split", "select"),
        ("metric_version", 1),
        ("extractor_accuracy", 0.8),
        ("grey_repeated", True),
        ("num_images", 599),
        ("num_reference", 299),
    ],
)
def test_another_protocol_is_refused_by_name(
    make_sample: MakeSample, reference: ReferenceSample, field: str, value: object
) -> None:
    odd = make_sample(1)
    odd = replace(odd, protocol=replace(odd.protocol, **{field: value}))  # type: ignore[arg-type]
    for challenger, champion in ((odd, make_sample(2)), (make_sample(2), odd)):
        with pytest.raises(IncomparableReports, match=field):
            compare(challenger, champion, reference)


@pytest.mark.parametrize(("field", "value"), [("dtype", "bfloat16"), ("device", "cuda"), ("conventions", {})])
def test_what_was_computed_otherwise_is_not_compared(
    make_sample: MakeSample, reference: ReferenceSample, field: str, value: object
) -> None:
    odd = make_sample(1)
    odd = replace(odd, protocol=replace(odd.protocol, **{field: value}))  # type: ignore[arg-type]
    with pytest.raises(IncomparableReports, match=field):
        compare(odd, make_sample(2), reference)


@pytest.mark.parametrize("field", ["num_images", "seed"])
def test_counts_and_seeds_of_the_two_must_agree(
    make_sample: MakeSample, reference: ReferenceSample, field: str
) -> None:
    other = make_sample(2, count=500) if field == "num_images" else make_sample(2)
    if field == "seed":
        other = replace(other, protocol=replace(other.protocol, seed=8))
    with pytest.raises(IncomparableReports, match=field):
        compare(make_sample(1), other, reference)


def test_a_model_that_saw_a_reference_image_is_refused(make_sample: MakeSample, reference: ReferenceSample) -> None:
    seen = int.from_bytes(reference.ids[17, :8].tobytes(), "big")
    cheat = replace(make_sample(1), training_images=np.array([1, seen], np.uint64))
    with pytest.raises(IncomparableReports, match=r"champion .* trained on 1 of the 300"):
        compare(make_sample(2), cheat, reference)


def test_other_libraries_are_recorded_and_not_refused(make_sample: MakeSample, reference: ReferenceSample) -> None:
    old = make_sample(2)
    old = replace(old, protocol=replace(old.protocol, libraries={"torch": "1.0"}))
    assert compare(make_sample(1), old, reference).champion == old.snapshot_sha256


def test_the_seed_is_a_function_of_the_pair_and_the_reference() -> None:
    seed = comparison_seed("a", "b", "r")
    assert seed == comparison_seed("a", "b", "r")
    assert 0 <= seed < 2**31
    others = [comparison_seed("b", "a", "r"), comparison_seed("a", None, "r"), comparison_seed("a", "b", "s")]
    assert len({seed, *others}) == 4
