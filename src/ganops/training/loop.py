"""Training, from the first image to the best generator. `train` is the one path to read.

Lengths are counted in real images shown, never in minutes; all that is random is a function of
(seed, images_seen). So a training that was interrupted and resumed ends in the same bytes as one that
was not, on the same machine with the same number of threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ganops.config import CandidateConfig, TrainConfig
from ganops.errors import SnapshotError, TrainingFailed
from ganops.models import Generator, ModelSpec, images_by_class
from ganops.models.weights import not_finite
from ganops.progress import Progress, silent
from ganops.training.advice import diverged, in_the_end, too_many_threads, went_back
from ganops.training.allocator import keep_pages
from ganops.training.captured import Step, step_for
from ganops.training.checkpoint import CheckpointStore
from ganops.training.dropout import seeded_dropout
from ganops.training.ema import share_of
from ganops.training.guard import Continue, Evaluation, Fail, Rollback, Stop, decide, lr_scale
from ganops.training.inputs import Inputs
from ganops.training.lines import evaluated
from ganops.training.log import Log, Observer
from ganops.training.precision import resolve_device, resolve_precision, use_deterministic_kernels
from ganops.training.ranks import ALONE, Ranks
from ganops.training.schedules import Rates, Settings, settings_at
from ganops.training.seeds import SAMPLE_SEED
from ganops.training.state import Best, TrainingState, fresh_state

SAMPLES = 64
_LINES_PER_TRAINING = 50

Score = Callable[[Generator], Evaluation]
Images = np.ndarray[Any, np.dtype[np.uint8]]
Labels = np.ndarray[Any, np.dtype[np.int64]]


@final
@dataclass(frozen=True)
class TrainingResult:
    """generator: the best `generator_ema`, on the CPU, float32, contiguous, in evaluation mode.

    stopped: why the guard ended the training before its time; None when it ran to its end.
    """

    generator: Generator
    images_seen: int
    best_images_seen: int
    best_score: float
    seconds: float
    precision: str
    resumed_at: int
    stopped: str | None
    notes: tuple[str, ...]


def train(
    images_u8: Images,
    spec: ModelSpec,
    candidate: CandidateConfig,
    config: TrainConfig,
    seed: int,
    score: Score,
    checkpoints: CheckpointStore,
    observer: Observer,
    progress: Progress = silent,
    labels: Labels | None = None,
    ranks: Ranks = ALONE,
) -> TrainingResult:
    """Train `candidate` on images_u8 (N, C, H, W), resuming from `checkpoints` where they hold something.

    score: called with `generator_ema` every `evaluate_every_kimg` and at the end; the weights with the
    smallest Fréchet distance are the result. labels: (N,), for a conditional candidate. ranks: the processes that
    run this together; only rank 0 calls `score`, writes checkpoints and tells `observer` of samples.

    Raises:
        TrainingFailed: a number was not finite, again and again.
        RankLost: another process died or hung.
        ConfigError: the device is not there, or the batch does not fit in its memory.
    """
    torch.set_num_threads(config.threads)
    keep_pages()
    device = resolve_device(config.device, ranks)
    use_deterministic_kernels(config.deterministic, device)
    precision, micro_batch = resolve_precision(config.precision, device), config.micro_batch or config.batch_size
    fresh = partial(fresh_state, spec, candidate, seed, device, precision, micro_batch, ranks)
    step_images = config.batch_size * candidate.discriminator_steps
    total = math.ceil(candidate.kimg * 1000 / step_images) * step_images
    steps = range(0, total + 1, step_images)
    state = fresh()
    notes = checkpoints.restore(state, steps)
    resumed_at, stopped = state.images_seen, None
    inputs = Inputs(images_u8, labels, spec, candidate, config.batch_size, seed, total, device, config.resident, ranks)
    step = step_for(state, config, lambda note: log.say(state, note))  # may refuse, and then nothing was touched
    log = Log(observer, progress, total, step_images, state, notes)
    for note in too_many_threads(config, ranks):
        log.say(state, note)
    scale = lr_scale(state.lines, config.guard)

    while state.images_seen < total and stopped is None:
        seen, micro_batch = state.images_seen, state.micro_batch
        settings = settings_at(candidate, seen, scale)
        log.step(state, advance(state, candidate, settings, inputs, step_images, seed, step))
        if state.micro_batch < micro_batch:
            log.keep(state, f"out of memory: from {seen:,} images on, {state.micro_batch} images at a time")

        due = partial(_due, state.images_seen, step_images, total)
        evaluating, saving = due(config.evaluate_every_kimg * 1000), due(config.checkpoint_every_kimg * 1000)
        if not (evaluating or saving or due(total / _LINES_PER_TRAINING)):
            continue
        log.smallest_part(state, ranks.smallest(state.micro_batch))
        line = ranks.shared(partial(log.line, state))
        if evaluating and not line["not_finite"]:
            evaluation = _evaluate(state, score, observer)
            line |= evaluated(state, evaluation) | ({} if evaluation else {"not_finite": ["generated_image"]})
        verdict = decide([*state.lines, line], config.guard)
        log.write(state, line, verdict)
        match verdict:
            case Continue() if saving:
                _save(state, checkpoints)
            case Rollback(reason):
                state = _rolled_back(fresh(), state, checkpoints, steps, log)
                scale = lr_scale(state.lines, config.guard)
                log.say(state, f"{reason}: {went_back(state, scale)}")
            case Stop(reason):
                stopped = reason
                log.tell(state, f"stopped: {reason}")
            case Fail(reason):
                ranks.wait()  # rank 0 has written why
                raise TrainingFailed(diverged(reason, candidate, config))

    if not state.best.weights:
        before = state.evaluation_seconds
        if _evaluate(state, score, observer) is None:
            ranks.wait()
            raise TrainingFailed(
                f"There is nothing to keep of this training: it was {log.notes[-1]}, and its generator makes images "
                "that are not finite numbers. Lower generator_lr and discriminator_lr in params.yaml."
            )
        state.seconds += state.evaluation_seconds - before  # the log's clock ended with its last line
    return TrainingResult(
        _best_generator(state, spec),
        state.images_seen,
        state.best.images_seen,
        state.best.score,
        state.seconds,
        state.precision,
        resumed_at,
        stopped,
        (*log.notes, *in_the_end(state, candidate, config, stopped)),
    )


def advance(
    state: TrainingState,
    candidate: CandidateConfig,
    settings: Settings,
    inputs: Inputs,
    step_images: int,
    seed: int,
    step: Step,
) -> Tensor:
    """Show `step_images` more images to `state`; returns what `step` does."""
    seen, batch_size = state.images_seen, step_images // candidate.discriminator_steps
    share = share_of(settings.ema_half_life_kimg, seen + step_images, step_images)
    rates = Rates(settings.generator_lr, settings.discriminator_lr, settings.betas, settings.gamma, share)
    batches = (inputs.at(seen + shown) for shown in range(0, step_images, batch_size))
    first = seen + state.ranks.rows(batch_size).start
    with seeded_dropout(seed, first, state.device, state.generator, state.discriminator):
        means = step(state, candidate, rates, batches)
    state.images_seen += step_images
    return means


def _due(images_seen: int, step_images: int, total: int, every: float) -> bool:
    """Whether the last step crossed a multiple of `every` images, or was the last of all."""
    return images_seen >= total or images_seen // every > (images_seen - step_images) // every


def _evaluate(state: TrainingState, score: Score, observer: Observer) -> Evaluation | None:
    """Score `generator_ema`, show samples of it, and keep it if it is the best; None where it makes no images."""
    begun = time.monotonic()
    seen = state.ranks.shared(partial(_looked_at, state, score, observer))
    state.evaluation_seconds += time.monotonic() - begun
    if seen is None:
        return None
    evaluation = Evaluation(**seen)
    value = evaluation.fd
    if value < state.best.score or not math.isfinite(state.best.score):
        averaged = state.average.generator_ema.state_dict()
        weights = {name: tensor.cpu().clone().contiguous() for name, tensor in averaged.items()}
        state.best = Best(value if math.isfinite(value) else math.inf, state.images_seen, weights)
    return evaluation


def _looked_at(state: TrainingState, score: Score, observer: Observer) -> dict[str, float] | None:
    """What rank 0 sees of `generator_ema`: an `Evaluation`, as plain data."""
    generator = state.average.generator_ema
    if not_finite(generator.state_dict()):
        return None
    try:
        evaluation = score(generator)
        observer.samples(state.images_seen, images_by_class(generator, SAMPLES, SAMPLE_SEED, state.device))
    except SnapshotError:  # an image is not finite, though all weights are
        return None
    return asdict(evaluation)


def _rolled_back(
    fresh: TrainingState, failed: TrainingState, checkpoints: CheckpointStore, steps: range, log: Log
) -> TrainingState:
    """The state of the last checkpoint that is whole, or the first of all, with the whole log.

    Stored at once, so that a training killed after this goes on from here.
    """
    fresh.precision = failed.precision
    for note in checkpoints.restore(fresh, steps):
        if note not in log.notes:
            log.say(failed, note)
    fresh.micro_batch, fresh.lines, fresh.moves = failed.micro_batch, failed.lines, failed.moves
    fresh.seconds, fresh.evaluation_seconds = failed.seconds, failed.evaluation_seconds
    _save(fresh, checkpoints)
    return fresh


def _save(state: TrainingState, checkpoints: CheckpointStore) -> None:
    state.ranks.wait()  # none may still be reading what this replaces
    if state.ranks.leads:
        checkpoints.save(state)


def _best_generator(state: TrainingState, spec: ModelSpec) -> Generator:
    generator = Generator(spec)
    generator.load_state_dict(state.best.weights)
    return generator.eval().requires_grad_(False)
