from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganops.config import TrainingGuardConfig
from ganops.training.guard import Continue, Fail, Rollback, Stop, Verdict, decide, lr_scale, rollbacks

CONFIG = TrainingGuardConfig(patience=3, fd_patience=3)


def line(kimg: float, **keys: Any) -> dict[str, Any]:
    healthy = {"not_finite": [], "fd": None, "best_fd": None, "diversity": None}
    figures = {"grad_norm_generator": 0.3, "real_logit": 0.4, "fake_logit": -0.4}
    return {"kimg": kimg, "total_kimg": 100.0, "images_seen": int(kimg * 1000), **healthy, **figures, **keys}


def judged(lines: list[dict[str, Any]], config: TrainingGuardConfig = CONFIG) -> list[type[Verdict]]:
    """The kind of verdict after each line."""
    return [type(decide(lines[: index + 1], config)) for index in range(len(lines))]


def evaluations(diversities: list[float], fds: list[float] | None = None, first: float = 30.0) -> list[dict[str, Any]]:
    """One evaluation each kimg."""
    fds = fds or [10.0] * len(diversities)
    return [
        line(first + index, diversity=diversity, fd=fd, best_fd=min(fds[: index + 1]))
        for index, (diversity, fd) in enumerate(zip(diversities, fds, strict=True))
    ]


def test_a_healthy_course_goes_on() -> None:
    lines = [line(kimg) for kimg in range(1, 100)] + evaluations([0.01, 0.3, 0.9, 1.1], [90.0, 30.0, 9.0, 12.0])
    assert set(judged(lines)) == {Continue}


def test_what_is_not_finite_goes_back_then_fails() -> None:
    bad = line(5, not_finite=["loss_discriminator"])
    verdict = decide([line(1), bad], CONFIG)
    assert verdict == Rollback("loss_discriminator was no longer finite when 5,000 images had been shown")
    lines = [bad | {"event": "rollback"}] * 2
    assert isinstance(decide([*lines, bad], CONFIG), Rollback)
    assert isinstance(decide([*lines, lines[0], bad], CONFIG), Fail)
    assert isinstance(decide([bad], TrainingGuardConfig(max_rollbacks=0)), Fail)


def test_each_rollback_halves_the_learning_rates() -> None:
    back = line(5, not_finite=["loss_generator"], event="rollback")
    assert lr_scale([line(1)], CONFIG) == 1.0
    assert (rollbacks([back, line(1), back]), lr_scale([back, line(1), back], CONFIG)) == (2, 0.25)


def test_collapse_is_stopped_at_the_second_evaluation() -> None:
    assert judged(evaluations([0.8, 0.9, 0.01, 0.02])) == [Continue] * 3 + [Stop]
    assert judged(evaluations([0.8, 0.01, 0.9, 0.01, 0.9])) == [Continue] * 5
    verdict = decide(evaluations([0.8, 0.01, 0.01]), CONFIG)
    assert isinstance(verdict, Stop)
    assert "0.01 of the reference's variance" in verdict.reason and "32,000 images" in verdict.reason


def test_a_young_generator_may_have_no_diversity_yet() -> None:
    low = [0.001] * 4
    assert judged(evaluations(low, first=1.0)) == [Continue] * 4
    assert judged(evaluations([0.5, 0.001, 0.001], first=1.0))[-1] is Stop  # it had some already


def test_a_generator_without_diversity_is_stopped_once_it_no_longer_gets_better() -> None:
    assert judged(evaluations([0.001] * 4)) == [Continue] * 2 + [Stop] * 2
    assert judged(evaluations([0.001] * 6, [90.0, 80.0, 85.0, 80.0, 90.0, 80.0])) == [Continue] * 4 + [Stop] * 2
    assert judged(evaluations([0.001] * 3 + [0.06], [90.0] * 4))[-1] is Continue
    verdict = decide(evaluations([0.001] * 3), CONFIG)
    assert isinstance(verdict, Stop) and "did not get going" in verdict.reason
    unknown = [line(40.0 + at, diversity=0.0) for at in range(3)]  # the distance was not finite
    assert judged(unknown) == [Continue] * 2 + [Stop]


@pytest.mark.parametrize(
    ("diversities", "fds"),
    [
        (
            [0.015, 0.023, 0.024, 0.035, 0.029, 0.163, 0.048, 0.089, 0.207, 0.179],
            [313.0, 182.0, 198.0, 490.0, 205.0, 105.0, 138.0, 112.0, 74.0, 89.0],
        ),
        (
            [0.027, 0.066, 0.003, 0.020, 0.049, 0.067, 0.100, 0.048, 0.054, 0.230],
            [229.0, 127.0, 200.0, 230.0, 197.0, 133.0, 163.0, 255.0, 232.0, 91.0],
        ),
    ],
)
def test_slow_beginnings_as_measured_go_on(diversities: list[float], fds: list[float]) -> None:
    """`bn_conv_gan` with SGD at 2e-4 on digits, two seeds, every 2.5 kimg: after 60 both were at 18."""
    lines = evaluations(diversities, fds, first=30.0)
    assert set(judged(lines, TrainingGuardConfig())) == {Continue}
    sparse = evaluations(diversities[1::2], fds[1::2], first=30.0)
    assert set(judged(sparse, TrainingGuardConfig())) == {Continue}


low_diversities = st.lists(st.floats(0.0, 0.049), min_size=2, max_size=8)


@given(low_diversities, st.floats(1.0, 90.0), st.integers(1, 4))
def test_one_that_never_had_diversity_and_gets_better_is_never_stopped(
    diversities: list[float], first: float, patience: int
) -> None:
    config = TrainingGuardConfig(diversity_patience=patience, fd_patience=2)
    falling = [100.0 / (at + 1) for at in range(len(diversities))]
    assert set(judged(evaluations(diversities, falling, first), config)) == {Continue}


@given(low_diversities, st.lists(st.floats(0.1, 50.0), min_size=9, max_size=9), st.floats(1.0, 90.0), st.integers(1, 3))
def test_a_collapse_is_stopped_after_its_patience_whatever_the_distance_does(
    diversities: list[float], distances: list[float], first: float, patience: int
) -> None:
    config = TrainingGuardConfig(diversity_patience=patience, fd_patience=20)
    verdicts = judged(evaluations([0.5, *diversities], distances[: len(diversities) + 1], first), config)
    assert verdicts == [Stop if low >= patience else Continue for low in range(len(verdicts))]


def test_a_distance_far_above_its_best_for_long_is_stopped() -> None:
    rising = [5.0, 9.0, 11.0, 12.0, 13.0]
    assert judged(evaluations([1.0] * 5, rising)) == [Continue] * 4 + [Stop]
    assert judged(evaluations([1.0] * 5, [5.0, 11.0, 12.0, 9.0, 13.0])) == [Continue] * 5
    assert judged(evaluations([1.0] * 5, rising, first=1.0)) == [Continue] * 5


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"grad_norm_generator": 1e-9, "real_logit": 30.0}, "the discriminator won for good"),
        ({"real_logit": 0.25, "fake_logit": 0.25}, "the discriminator lost for good"),
    ],
)
def test_a_game_that_is_decided_is_stopped(keys: dict[str, float], said: str) -> None:
    lines = [line(kimg) for kimg in range(5)] + [line(kimg, **keys) for kimg in range(5, 8)]
    assert judged(lines) == [Continue] * 7 + [Stop]
    verdict = decide(lines, CONFIG)
    assert isinstance(verdict, Stop) and said in verdict.reason and "discriminator_lr" in verdict.reason.split(". ")[1]


def test_a_course_is_judged_from_its_last_rollback() -> None:
    dead = [line(kimg, grad_norm_generator=0.0) for kimg in range(5, 7)]
    back = line(7, not_finite=["loss_generator"], event="rollback")
    assert isinstance(decide([*dead, back, dead[0]], CONFIG), Continue)


def test_the_last_line_stops_nothing() -> None:
    assert judged(evaluations([0.9, 0.01, 0.01], first=98.0))[-1] is Continue
    assert type(decide([line(100.0, not_finite=["loss_generator"])], CONFIG)) is Rollback
