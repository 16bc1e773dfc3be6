from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganops.config import FirstPromotionConfig, GateConfig, GuardConfig, GuardsConfig
from ganops.errors import IncomparableReports
from ganops.evaluation.compare import compare
from ganops.evaluation.comparison import Comparison, Contrast
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.protocol import Protocol
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sample import Sample
from ganops.gate import Check, PromotionDecision, decide, level_of

POLICY = GateConfig()
PROTOCOL = Protocol("fd_classifier@e", "classifier", "e", "p", "test", "r", 1000, 300, 0, 1)
WORSE_BY = {"kernel_distance": 0.03, "coverage": 0.3, "recall": 0.3, "class_coverage": 0.3}


def _contrast(challenger: float, champion: float, improvement: float, error: float) -> Contrast:
    return Contrast(Measurement(challenger, error), Measurement(champion, error), Measurement(improvement, error))


def _against_champion(gain: float, error: float = 0.5, **worse_by: float) -> Comparison:
    metrics = {
        "fd_star": _contrast(10.0 - gain, 10.0, gain, error),
        "kernel_distance": _contrast(0.01, 0.01, 0.0, 1e-4),
        "coverage": _contrast(0.9, 0.9, 0.0, 0.01),
        "recall": _contrast(0.8, 0.8, 0.0, 0.01),
        "class_coverage": _contrast(0.9, 0.9, 0.0, 0.01),
        "memorisation": _contrast(0.0, 0.0, 0.0, 0.02),
        "copies": _contrast(0.0, 0.0, 0.0, 0.002),
    }
    for name, loss in worse_by.items():
        known = metrics[name]
        metrics[name] = replace(known, improvement=replace(known.improvement, value=-loss))  # type: ignore[type-var]
    return Comparison("a" * 64, "b" * 64, PROTOCOL, metrics)


def _first(
    fd: float, error: float = 1.0, memorised: float = 0.0, memorised_error: float = 0.02, copied: float = 0.0
) -> Comparison:
    metrics = {
        "fd_star": Contrast(Measurement(fd, error), None, None),
        "memorisation": Contrast(Measurement(memorised, memorised_error), None, None),
        "copies": Contrast(Measurement(copied, 0.002), None, None),
    }
    return Comparison("a" * 64, None, PROTOCOL, metrics)


@pytest.mark.parametrize(
    ("case", "comparison", "promoted", "failing"),
    [
        ("first, good", _first(20.0), True, set()),
        ("first, over the bound", _first(99.0), False, {"fd_bound"}),
        ("first, copies", _first(20.0, memorised=0.4), False, {"memorisation"}),
        ("first, copies a few", _first(20.0, copied=0.006), False, {"copies"}),
        ("first, copies no more than chance", _first(20.0, copied=0.003), True, set()),
        ("first, too few images to tell", _first(20.0, memorised_error=0.2), False, {"memorisation"}),
        ("better", _against_champion(3.0), True, set()),
        ("better, but not surely", _against_champion(0.5), False, {"fd_improvement"}),
        ("equal", _against_champion(0.0), False, {"fd_improvement"}),
        ("worse", _against_champion(-3.0), False, {"fd_improvement"}),
        ("tiny reference", _against_champion(3.0, error=30.0), False, {"fd_improvement"}),
        ("no uncertainty at all", _against_champion(3.0, error=0.0), False, {"fd_improvement"}),
        ("not a number", _against_champion(math.nan), False, {"fd_improvement", "finite"}),
        ("infinite", _against_champion(math.inf), False, {"fd_improvement", "finite"}),
        ("infinite error", _against_champion(3.0, error=math.inf), False, {"fd_improvement", "finite"}),
        ("negative error", _against_champion(3.0, error=-1.0), False, {"fd_improvement", "finite"}),
        *((f"guard {name}", _against_champion(3.0, **{name: loss}), False, {name}) for name, loss in WORSE_BY.items()),
    ],
)
def test_table(case: str, comparison: Comparison, promoted: bool, failing: set[str]) -> None:
    decision = decide(comparison, POLICY, 1)
    assert decision.promote is promoted, case
    assert {check.name for check in decision.checks if check.verdict == "failed"} == failing
    assert decision.evidence == comparison.sha256
    first_word = {True: "Promoted", False: "Kept" if comparison.champion else "Not"}[promoted]
    assert decision.sentence.startswith(first_word)


def test_every_check_that_applies_says_its_figure_what_was_asked_and_why() -> None:
    for comparison in (_against_champion(3.0), _first(20.0)):
        for check in decide(comparison, POLICY, 1).checks:
            assert check.sentence.endswith(".")
            if check.name != "finite" and check.verdict != "not_applied":
                assert None not in (check.figure, check.standard_error, check.bound, check.threshold), check.name
    unusable = decide(_against_champion(math.nan), POLICY, 1).checks[0]
    assert (unusable.verdict, unusable.bound, unusable.threshold) == ("failed", None, 0.0)


def test_the_first_sentence_names_what_decided() -> None:
    promoted = decide(_against_champion(3.0), POLICY, 1).sentence
    assert "better by 3.00 ± 0.50" in promoted and promoted.endswith("No guard objects.")
    vetoed = decide(_against_champion(3.0, recall=0.3), POLICY, 1).sentence
    assert vetoed.startswith("Kept champion.") and "Recall 0.8 against 0.8: at worst worse by 0.32" in vetoed
    assert "does not exceed the 0 that is asked" in decide(_against_champion(0.0), POLICY, 1).sentence


def test_what_cannot_be_compared_never_reaches_a_decision() -> None:
    random = np.random.default_rng(0)
    features, classes, ids = (
        random.normal(size=(300, 2)).astype(np.float32),
        np.zeros(300, np.int64),
        np.zeros((300, 32)),
    )
    reference = ReferenceSample(
        "test", features, classes, ids.astype(np.uint8), features[:0], 0, "r", "classifier", "e", "p", 1
    )
    ours = Sample("a", features, classes, replace(PROTOCOL, num_images=300), np.empty(0, np.uint64))
    theirs = replace(ours, snapshot_sha256="b", protocol=replace(ours.protocol, extractor_sha256="another"))
    with pytest.raises(IncomparableReports, match="extractor_sha256 differs: another for the champion, e for the ref"):
        compare(ours, theirs, reference)


def test_a_guard_is_not_passed_by_being_vague() -> None:
    comparison = _against_champion(3.0)
    vague = replace(comparison.metrics["recall"], improvement=Measurement(0.0, 0.2))
    decision = decide(replace(comparison, metrics={**comparison.metrics, "recall": vague}), POLICY, 1)
    assert [check.name for check in decision.checks if check.verdict == "failed"] == ["recall"]


def test_a_guard_that_is_off_does_not_object_and_one_that_was_not_measured_does() -> None:
    off = POLICY.model_copy(update={"guards": GuardsConfig(recall=GuardConfig(margin=0.1, enabled=False))})
    bad = _against_champion(3.0, recall=0.5)
    assert decide(bad, off, 1).promote
    metrics = {name: contrast for name, contrast in bad.metrics.items() if name != "recall"}
    assert decide(replace(bad, metrics=metrics), off, 1).promote
    assert not decide(replace(bad, metrics=metrics), POLICY, 1).promote


def test_images_without_classes_have_no_class_coverage_to_lose() -> None:
    comparison = _against_champion(3.0)
    metrics = {name: contrast for name, contrast in comparison.metrics.items() if name != "class_coverage"}
    decision = decide(replace(comparison, metrics=metrics), POLICY, 1)
    assert decision.promote
    check = next(check for check in decision.checks if check.name == "class_coverage")
    assert (check.verdict, check.sentence) == ("not_applied", "The images have no classes.")


def test_copies_are_not_passed_over_by_being_vague_and_are_with_the_alarm_off() -> None:
    comparison = _first(20.0)
    vague = replace(comparison.metrics["copies"], challenger=Measurement(0.0, 0.2))
    unmeasured = {name: contrast for name, contrast in comparison.metrics.items() if name != "copies"}
    off = POLICY.model_copy(update={"guards": GuardsConfig(memorisation=GuardConfig(margin=0.1, enabled=False))})
    for metrics in ({**comparison.metrics, "copies": vague}, unmeasured):
        found = replace(comparison, metrics=metrics)
        assert [check.name for check in decide(found, POLICY, 1).checks if check.verdict == "failed"] == ["copies"]
        assert decide(found, off, 1).promote


def test_nothing_measured_is_no_promotion() -> None:
    for champion in (None, "b" * 64):
        assert not decide(Comparison("a" * 64, champion, PROTOCOL, {}), POLICY, 1).promote


def test_min_improvement_and_first_bound_are_policy() -> None:
    assert not decide(_against_champion(3.0), GateConfig(min_improvement=2.5), 1).promote
    assert not decide(_first(20.0), GateConfig(first=FirstPromotionConfig(max_fd=21.0)), 1).promote


def test_a_distance_just_below_zero_is_said_as_zero() -> None:
    assert "Fréchet distance 0.0 ± 1.0." in decide(_first(-0.001), GateConfig(), 1).sentence


def test_later_attempts_need_more_and_all_together_spend_alpha() -> None:
    comparison = _against_champion(1.2)
    verdicts = [decide(comparison, POLICY, attempt).promote for attempt in (1, 2, 5, 20)]
    assert verdicts[0] is True
    assert verdicts[-1] is False
    assert verdicts == sorted(verdicts, reverse=True)
    assert 0.99 * 0.05 < sum(level_of(0.05, attempt) for attempt in range(1, 1000)) < 0.05
    assert decide(comparison, POLICY, 10**9).promote is False


def test_json_round_trip_even_of_what_is_no_number() -> None:
    for comparison in (_against_champion(3.0), _first(20.0), _against_champion(math.inf)):
        decision = decide(comparison, POLICY, 3)
        text = json.dumps(decision.to_json(), allow_nan=False)
        assert PromotionDecision.from_json(json.loads(text)) == decision
        replayed = Comparison.from_json(json.loads(json.dumps(comparison.to_json(), allow_nan=False)))
        assert decide(replayed, POLICY, 3) == decision


def test_an_unknown_verdict_is_not_read() -> None:
    with pytest.raises(ValueError, match="verdict"):
        Check.from_json({"name": "x", "verdict": "maybe"})


UNTIMED = settings(deadline=None)
"""A busy machine is no fault."""
FINITE = st.floats(-1e6, 1e6)
ERROR = st.floats(1e-6, 1e4)


@UNTIMED
@given(gain=FINITE, error=ERROR, attempt=st.integers(1, 50), more=st.floats(0, 1e6))
def test_monotone_in_the_estimate(gain: float, error: float, attempt: int, more: float) -> None:
    if decide(_against_champion(gain, error), POLICY, attempt).promote:
        assert decide(_against_champion(gain + more, error), POLICY, attempt).promote


@UNTIMED
@given(gain=FINITE, error=ERROR, attempt=st.integers(1, 50), alpha=st.floats(0.001, 0.499))
def test_never_both_ways(gain: float, error: float, attempt: int, alpha: float) -> None:
    policy = GateConfig(alpha=alpha)
    there, back = _against_champion(gain, error), _against_champion(-gain, error)
    assert not (decide(there, policy, attempt).promote and decide(back, policy, attempt).promote)


@UNTIMED
@given(
    metric=st.sampled_from(
        ["fd_star", "kernel_distance", "coverage", "recall", "class_coverage", "memorisation", "copies"]
    ),
    side=st.sampled_from(["challenger", "champion", "improvement"]),
    part=st.sampled_from(["value", "standard_error"]),
    bad=st.sampled_from([math.nan, math.inf, -math.inf]),
    gain=FINITE,
)
def test_never_promotes_on_what_is_not_finite(metric: str, side: str, part: str, bad: float, gain: float) -> None:
    comparison = _against_champion(gain)
    contrast = comparison.metrics[metric]
    broken = replace(contrast, **{side: replace(getattr(contrast, side), **{part: bad})})
    decision = decide(replace(comparison, metrics={**comparison.metrics, metric: broken}), POLICY, 1)
    assert not decision.promote
    assert metric in decision.sentence


ANYTHING = st.floats(allow_nan=True, allow_infinity=True)
MEASURED = st.builds(Measurement, ANYTHING, ANYTHING)
CONTRASTS = st.builds(Contrast, MEASURED, st.none() | MEASURED, st.none() | MEASURED)
NAMES = st.sampled_from([*_against_champion(0.0).metrics, "precision", "density"])


@UNTIMED
@given(metrics=st.dictionaries(NAMES, CONTRASTS), champion=st.none() | st.just("b" * 64), attempt=st.integers(1, 10**6))
def test_total_whatever_was_measured(metrics: dict[str, Contrast], champion: str | None, attempt: int) -> None:
    comparison = Comparison("a" * 64, champion, PROTOCOL, metrics)
    decision = decide(comparison, POLICY, attempt)
    assert decision.sentence
    assert PromotionDecision.from_json(decision.to_json()).to_json() == decision.to_json()
    if decision.promote:
        figures = [item for contrast in metrics.values() for item in vars(contrast).values() if item is not None]
        assert all(item.finite for item in figures)
        assert metrics["fd_star"].challenger.finite


@UNTIMED
@given(
    ours=st.builds(Measurement, FINITE, ERROR),
    theirs=st.builds(Measurement, FINITE, ERROR),
    error=ERROR,
    least=st.floats(0, 100),
    attempts=st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
def test_a_beats_b_and_b_beats_a_never_both(
    ours: Measurement, theirs: Measurement, error: float, least: float, attempts: tuple[int, int]
) -> None:
    policy, gain = GateConfig(min_improvement=least), theirs.value - ours.value
    base = _against_champion(0.0)
    there = Contrast(ours, theirs, Measurement(gain, error))
    back = Contrast(theirs, ours, Measurement(-gain, error))
    decisions = [
        decide(replace(base, metrics={**base.metrics, "fd_star": contrast}), policy, attempt).promote
        for contrast, attempt in zip((there, back), attempts, strict=True)
    ]
    assert not all(decisions)


@UNTIMED
@given(gain=FINITE, error=ERROR, loss=st.floats(0, 1), more=st.floats(0, 1))
def test_a_larger_loss_never_passes_a_guard_that_a_smaller_one_does_not(
    gain: float, error: float, loss: float, more: float
) -> None:
    for name in WORSE_BY:
        if not decide(_against_champion(gain, error, **{name: loss}), POLICY, 1).promote:
            assert not decide(_against_champion(gain, error, **{name: loss + more}), POLICY, 1).promote
