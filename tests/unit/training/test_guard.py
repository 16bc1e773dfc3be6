from __future__ import annotations

from typing import Any

import pytest

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
    assert judged(evaluations(low, first=30.0))[1:] == [Stop] * 3
    assert judged(evaluations([0.5, 0.001, 0.001], first=1.0))[-1] is Stop  # it had some already


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
    assert isinstance(verdict, Stop) and said in verdict.reason


def test_a_course_is_judged_from_its_last_rollback() -> None:
    dead = [line(kimg, grad_norm_generator=0.0) for kimg in range(5, 7)]
    back = line(7, not_finite=["loss_generator"], event="rollback")
    assert isinstance(decide([*dead, back, dead[0]], CONFIG), Continue)


def test_the_last_line_stops_nothing() -> None:
    assert judged(evaluations([0.9, 0.01, 0.01], first=98.0))[-1] is Continue
    assert type(decide([line(100.0, not_finite=["loss_generator"])], CONFIG)) is Rollback
