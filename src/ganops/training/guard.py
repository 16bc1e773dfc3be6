"""Whether a training goes on: a pure function of the lines that it has logged.

A number that is not finite: back to the last checkpoint with lower learning rates, a few times. Collapse:
stop, and keep the best generator that there was. The lines are part of the checkpoint, and so all that the
guard knows is: a training that was killed and resumed is judged as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from ganops.config import TrainingGuardConfig

Line = Mapping[str, Any]
Found = tuple[str, str]
"""What the matter is, and a sentence on what to change."""


@final
@dataclass(frozen=True)
class Evaluation:
    """How good `generator_ema` is.

    fd: Fréchet distance, smaller is better. diversity: total variance of its images' features over that of the
    reference's, 1 where they are equally diverse, 0 for one and the same image for ever.
    """

    fd: float
    diversity: float


@final
@dataclass(frozen=True)
class Continue:
    """Nothing is the matter."""


@final
@dataclass(frozen=True)
class Rollback:
    """Back to the last checkpoint."""

    reason: str
    event: ClassVar[str] = "rollback"


@final
@dataclass(frozen=True)
class Fail:
    """It went back as often as it may."""

    reason: str
    event: ClassVar[str] = "failed"


@final
@dataclass(frozen=True)
class Stop:
    """It will not get better: keep the best."""

    reason: str
    event: ClassVar[str] = "stopped"


Verdict = Continue | Rollback | Fail | Stop


def decide(lines: Sequence[Line], config: TrainingGuardConfig) -> Verdict:
    """What to do after the last of `lines` (at least one), all that the training has logged so far.

    Read of each line: images_seen, kimg, total_kimg, not_finite (names, empty when all is well), fd, best_fd,
    diversity, grad_norm_generator, real_logit, fake_logit, event.
    """
    last = lines[-1]
    if last["not_finite"]:
        reason = f"{last['not_finite'][0]} was no longer finite when {last['images_seen']:,} images had been shown"
        return Rollback(reason) if rollbacks(lines) < config.max_rollbacks else Fail(reason)
    since = _since_rollback(lines)
    if last["kimg"] >= last["total_kimg"]:
        return Continue()  # it ends by itself
    for judge in (_collapsed, _stuck, _drifted_away, _decided):
        if (found := judge(since, config)) is not None:
            what, remedy = found
            return Stop(f"{what}, when {last['images_seen']:,} images had been shown. {remedy}")
    return Continue()


def rollbacks(lines: Sequence[Line]) -> int:
    """How often the training went back so far."""
    return sum(line.get("event") == Rollback.event for line in lines)


def lr_scale(lines: Sequence[Line], config: TrainingGuardConfig) -> float:
    """What the rollbacks so far have left of the learning rates."""
    return config.lr_factor ** rollbacks(lines)


def _collapsed(lines: Sequence[Line], config: TrainingGuardConfig) -> Found | None:
    """Diversity that was there is gone."""
    evaluated = _with_diversity(lines)
    recent = evaluated[-config.diversity_patience :]
    if not _had_diversity(evaluated, config) or not all(_is_low(line, config) for line in recent):
        return None
    return (
        f"the generator collapsed: {_low(recent[-1], config)} {_in_a_row(config.diversity_patience)}",
        "Lower generator_lr, or take the relativistic objective with penalty r1_r2.",
    )


def _stuck(lines: Sequence[Line], config: TrainingGuardConfig) -> Found | None:
    """There never was any diversity, which at the beginning all generators lack, and nothing gets better.

    While a slow one learns, its distance goes up and down, and so this takes the patience of the distance.
    """
    evaluated = _with_diversity(lines)
    recent = evaluated[-config.fd_patience :]
    if len(recent) < config.fd_patience or _young(recent[-1], config) or _had_diversity(evaluated, config):
        return None
    if not all(_is_low(line, config) for line in recent) or _improves(evaluated, config.fd_patience):
        return None
    return (
        f"the generator did not get going: {_low(recent[-1], config)}, and the Fréchet distance had no new best, "
        f"{_in_a_row(config.fd_patience)}",
        "Raise its learning rates or its width, or take another family or objective.",
    )


def _drifted_away(lines: Sequence[Line], config: TrainingGuardConfig) -> Found | None:
    recent = [line for line in lines if line.get("fd") is not None][-config.fd_patience :]
    if len(recent) < config.fd_patience or _young(recent[0], config):
        return None
    if not all(line["best_fd"] is not None and line["fd"] > config.fd_factor * line["best_fd"] for line in recent):
        return None
    return (
        f"the Fréchet distance was {recent[-1]['fd']:.4g}, above {config.fd_factor:g} times its best of "
        f"{recent[-1]['best_fd']:.4g}, {_in_a_row(config.fd_patience)}",
        "The best generator is kept; lower the learning rates, or kimg to where it was best.",
    )


def _decided(lines: Sequence[Line], config: TrainingGuardConfig) -> Found | None:
    recent = lines[-config.patience :]
    if len(recent) < config.patience:
        return None
    for_long = _in_lines(config.patience)
    if all(abs(line["real_logit"] - line["fake_logit"]) < config.lost for line in recent):
        return (
            f"the discriminator lost for good: real and generated were the same to it (guard.lost) {for_long}",
            "Lower generator_lr, or raise discriminator_lr.",
        )
    if all(line["grad_norm_generator"] < config.vanished for line in recent):
        return (
            f"the discriminator won for good: the generator's gradient had vanished (guard.vanished) {for_long}",
            "Lower discriminator_lr, give it a penalty, or take another objective than minimax.",
        )
    return None


def _in_lines(count: int) -> str:
    return "in one line of the log" if count == 1 else f"in {count} lines of the log in a row"


def _in_a_row(evaluations: int) -> str:
    return "in one evaluation" if evaluations == 1 else f"in {evaluations} evaluations in a row"


def _with_diversity(lines: Sequence[Line]) -> Sequence[Line]:
    return [line for line in lines if line.get("diversity") is not None]


def _had_diversity(evaluated: Sequence[Line], config: TrainingGuardConfig) -> bool:
    """From halfway, as ratios go, between the floor and 1: one that begins to learn is above the floor for moments."""
    return any(line["diversity"] >= math.sqrt(config.diversity_floor) for line in evaluated)


def _improves(evaluated: Sequence[Line], last: int) -> bool:
    """Whether one of the `last` evaluations had a smaller Fréchet distance than those before it; the first had none."""
    distances = [math.inf if line["fd"] is None else line["fd"] for line in evaluated]
    return any(distances[at] < min(distances[:at]) for at in range(max(1, len(distances) - last), len(distances)))


def _is_low(line: Line, config: TrainingGuardConfig) -> bool:
    return bool(line["diversity"] < config.diversity_floor)


def _low(line: Line, config: TrainingGuardConfig) -> str:
    return (
        f"its images' features had {line['diversity']:.2g} of the reference's variance "
        f"(guard.diversity_floor is {config.diversity_floor:g})"
    )


def _young(line: Line, config: TrainingGuardConfig) -> bool:
    return bool(line["kimg"] < config.grace * line["total_kimg"])


def _since_rollback(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines of the present course: those of the checkpoint that was gone back to count no more than those after."""
    starts = [index + 1 for index, line in enumerate(lines) if line.get("event") == Rollback.event]
    return lines[starts[-1] :] if starts else lines
