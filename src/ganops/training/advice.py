"""What a training says to who configured it, in one sentence or two: what went wrong, or slowly, and what to set."""

from __future__ import annotations

import math
import os

from ganops.config import BATCH_NORM_FAMILIES, CandidateConfig, TrainConfig
from ganops.training.ranks import Ranks
from ganops.training.state import TrainingState

_DEAREST_EVALUATION = 0.05
_EVALUATIONS_TO_JUDGE_BY = 4
_LARGEST = {"gamma": 1e3, "instance_noise": 2.0, "weight_decay": 1.0}
"""Above these, each is the likelier reason for a divergence than the learning rates."""


def diverged(reason: str, candidate: CandidateConfig, config: TrainConfig) -> str:
    """Why a training was given up, and what of `candidate` to change."""
    too_large = [name for name, most in _LARGEST.items() if getattr(candidate, name) > most]
    if too_large:
        remedy = "Lower " + " and ".join(f"{name}, now {getattr(candidate, name):g}," for name in too_large)
    elif candidate.family in BATCH_NORM_FAMILIES:
        remedy = "Lower generator_lr and discriminator_lr"
    else:
        remedy = "Lower generator_lr and discriminator_lr, or raise gamma,"
    return (
        f"Training diverged: {reason}, after {config.guard.max_rollbacks} rollbacks to an earlier checkpoint, each "
        f"with {config.guard.lr_factor:g} times the learning rates. {remedy} of this candidate in params.yaml."
    )


def went_back(state: TrainingState, scale: float) -> str:
    """Where a training goes on after a rollback, and how; scale: what is left of the learning rates."""
    return (
        f"went back to {state.images_seen:,} images, with {scale:g} times the learning rates of params.yaml from there "
        "on; lower them there, and no time is lost to this"
    )


def in_the_end(state: TrainingState, candidate: CandidateConfig, config: TrainConfig, stopped: str | None) -> list[str]:
    """What its owner should know of a training that is over; stopped: why the guard ended it."""
    return [
        *unfinished_warm_up(candidate),
        *blind_guard(candidate, config),
        *early_best(state, stopped),
        *dear_evaluation(state, config),
    ]


def early_best(state: TrainingState, stopped: str | None) -> list[str]:
    """A training whose second half was in vain; one that was stopped has said so."""
    evaluations = [line for line in state.lines if line["fd"] is not None]
    if stopped or len(evaluations) < _EVALUATIONS_TO_JUDGE_BY or state.best.images_seen > state.images_seen / 2:
        return []
    return [
        f"The Fréchet distance had no new best after {state.best.images_seen:,} of {state.images_seen:,} images. Lower "
        "kimg, or, if it should go on getting better, the learning rates."
    ]


def blind_guard(candidate: CandidateConfig, config: TrainConfig) -> list[str]:
    """A training that is over before it is looked at."""
    if candidate.kimg > config.evaluate_every_kimg:
        return []
    return [
        f"All {candidate.kimg:g} kimg passed before the first evaluation, so that no collapse could be seen. Lower "
        f"train.evaluate_every_kimg, now {config.evaluate_every_kimg:g}, to {candidate.kimg / 5:g} or less."
    ]


def unfinished_warm_up(candidate: CandidateConfig) -> list[str]:
    """Learning rates that were never reached, because nobody thought of the warm-up."""
    if candidate.warm_up_kimg <= candidate.kimg:
        return []
    return [
        f"The learning rates rise from 0 over warm_up_kimg, {candidate.warm_up_kimg:g} where nothing else is set, and "
        f"{candidate.kimg:g} kimg end at {candidate.kimg / candidate.warm_up_kimg:.2g} of them. Set warm_up_kimg to "
        f"{candidate.kimg / 10:g} or less, or raise kimg."
    ]


def dear_evaluation(state: TrainingState, config: TrainConfig) -> list[str]:
    """Evaluations, several of them, that took a good part of the time."""
    evaluations = sum(line["fd"] is not None or line["diversity"] is not None for line in state.lines)
    share = state.evaluation_seconds / state.seconds if state.seconds > 0 else 0.0
    if evaluations < 2 or not _DEAREST_EVALUATION < share < 1:
        return []
    enough = config.evaluate_every_kimg * share / (1 - share) * (1 - _DEAREST_EVALUATION) / _DEAREST_EVALUATION
    return [
        f"In-loop evaluation took {share:.0%} of the time; train.evaluate_every_kimg: {math.ceil(enough)} would keep "
        f"it at {_DEAREST_EVALUATION:.0%}, and so would a lower train.evaluate_images."
    ]


def too_many_threads(config: TrainConfig, ranks: Ranks) -> list[str]:
    """More threads than cores, which wait for each other."""
    cores = _cores()
    if config.threads * ranks.count <= cores:
        return []
    processes = f" in each of {ranks.count} processes" if ranks.count > 1 else ""
    return [
        f"train.threads is {config.threads}{processes}, and this machine has {cores} core{'s' * (cores != 1)}: more "
        "threads than cores only make a training slower."
    ]


def _cores() -> int:
    """Those that this process may run on, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
