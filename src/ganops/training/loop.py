"""Training, from the first image to the best generator. `train` is the one path to read.

Lengths are counted in real images shown, never in minutes; all that is random is a function of
(seed, images_seen). So a training that was interrupted and resumed ends in the same bytes as one that
was not, on the same machine with the same number of threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import Tensor

from ganops.config import CandidateConfig, TrainConfig
from ganops.errors import TrainingFailed
from ganops.models import Generator, ModelSpec, generate, latents
from ganops.progress import Progress, silent
from ganops.training.allocator import keep_pages
from ganops.training.batches import ShuffledBatches
from ganops.training.checkpoint import CheckpointStore
from ganops.training.noise import instance_noise
from ganops.training.precision import resolve_device, resolve_precision
from ganops.training.schedules import learning_rate, set_learning_rate
from ganops.training.state import Best, TrainingState, fresh_state
from ganops.training.step import gradient_norm, train_step

LATENT_STREAM = 1
SAMPLES, SAMPLE_SEED = 64, 0
_LINES_PER_TRAINING = 50


class Observer(Protocol):
    """Who follows a training; nothing of what it does can change the result."""

    def begin(self, lines: list[dict[str, Any]]) -> None:
        """Training starts; `lines` were logged before an interruption."""

    def line(self, line: Mapping[str, Any]) -> None:
        """One line of statistics."""

    def samples(self, images_seen: int, images_u8: Tensor) -> None:
        """Images of `generator_ema` from the same z each time: uint8 (64, C, H, W)."""


@final
@dataclass(frozen=True)
class TrainingResult:
    """generator: the best `generator_ema`, on the CPU, float32, contiguous, in evaluation mode."""

    generator: Generator
    images_seen: int
    best_images_seen: int
    best_score: float
    seconds: float
    precision: str
    resumed_at: int
    notes: tuple[str, ...]


def train(
    images_u8: np.ndarray[Any, np.dtype[np.uint8]],
    spec: ModelSpec,
    candidate: CandidateConfig,
    config: TrainConfig,
    seed: int,
    score: Callable[[Generator], float],
    checkpoints: CheckpointStore,
    observer: Observer,
    progress: Progress = silent,
) -> TrainingResult:
    """Train `candidate` on images_u8 (N, C, H, W), resuming from `checkpoints` where they hold something.

    score: smaller is better; called with `generator_ema` every `evaluate_every_kimg` and at the end. The
    weights with the best score are the result.

    Raises:
        TrainingFailed: a loss is not finite.
        ConfigError: the device is not there.
    """
    torch.set_num_threads(config.threads)
    keep_pages()
    device = resolve_device(config.device)
    state = fresh_state(spec, candidate, seed, device, resolve_precision(config.precision, device))
    notes = checkpoints.restore(state)
    resumed_at = state.images_seen
    observer.begin(state.lines)

    batch_size = config.batch_size
    total = math.ceil(candidate.kimg * 1000 / batch_size) * batch_size
    dataset = torch.from_numpy(np.array(images_u8)).to(device)  # a copy: a memory map is read-only
    batches = ShuffledBatches(len(dataset), batch_size, seed)
    sums, steps = torch.zeros(5, device=device), 0
    progress(state.images_seen, total, _greeting(state, notes))
    clock = last_line = last_progress = time.monotonic()

    while state.images_seen < total:
        real = dataset[batches.at(state.images_seen).to(device)].float() / 127.5 - 1.0
        z = latents(seed, batch_size, spec.z_dim, start=state.images_seen, stream=LATENT_STREAM).to(device)
        noise = instance_noise(candidate, seed, state.images_seen, total, real)
        set_learning_rate(state.generator_optimizer, learning_rate(candidate.generator_lr, state.images_seen))
        set_learning_rate(state.discriminator_optimizer, learning_rate(candidate.discriminator_lr, state.images_seen))
        sums += train_step(state, candidate, real.contiguous(memory_format=torch.channels_last), z, noise)
        steps += 1
        state.images_seen += batch_size
        state.average.update(state.generator, state.images_seen, batch_size)

        evaluating = _due(config.evaluate_every_kimg * 1000, state.images_seen, batch_size, total)
        saving = _due(config.checkpoint_every_kimg * 1000, state.images_seen, batch_size, total)
        if evaluating or saving or _due(total / _LINES_PER_TRAINING, state.images_seen, batch_size, total):
            means = _finite_means(sums / steps, state.images_seen)
            speed = steps * batch_size / (time.monotonic() - last_line)
            sums.zero_()
            steps = 0
            fd = _evaluate(state, score, observer, device) if evaluating else None
            now = time.monotonic()
            state.seconds, clock, last_line = state.seconds + now - clock, now, now
            state.lines.append(_line(state, means, speed, fd, total))
            observer.line(state.lines[-1])
            if saving:
                checkpoints.save(state)
            progress(state.images_seen, total, _note(state))
        elif (now := time.monotonic()) - last_progress > 0.5:
            last_progress = now
            progress(state.images_seen, total, _note(state))

    return TrainingResult(
        _best_generator(state, spec),
        state.images_seen,
        state.best.images_seen,
        state.best.score,
        state.seconds,
        state.precision,
        resumed_at,
        tuple(notes),
    )


def _due(every: float, images_seen: int, batch_size: int, total: int) -> bool:
    """Whether the last step crossed a multiple of `every` images, or was the last of all."""
    return images_seen >= total or images_seen // every > (images_seen - batch_size) // every


def _finite_means(means: Tensor, images_seen: int) -> list[float]:
    values: list[float] = means.tolist()  # the one synchronisation with the device per line
    if not all(math.isfinite(value) for value in values):
        raise TrainingFailed(
            f"Training diverged: a loss was no longer finite when {images_seen:,} images had been shown. Lower "
            "generator_lr and discriminator_lr of this candidate, or raise its gamma, in params.yaml."
        )
    return values


def _evaluate(
    state: TrainingState, score: Callable[[Generator], float], observer: Observer, device: torch.device
) -> float | None:
    """Score `generator_ema`, keep it if it is the best, and show samples of it. None: the score is not finite."""
    generator = state.average.generator_ema
    value = score(generator)
    if value < state.best.score or not math.isfinite(state.best.score):
        weights = {name: tensor.cpu().clone().contiguous() for name, tensor in generator.state_dict().items()}
        state.best = Best(value if math.isfinite(value) else math.inf, state.images_seen, weights)
    observer.samples(state.images_seen, next(generate(generator, SAMPLES, SAMPLE_SEED, SAMPLES, device)))
    return value if math.isfinite(value) else None


def _line(state: TrainingState, means: list[float], speed: float, fd: float | None, total: int) -> dict[str, Any]:
    loss_generator, loss_discriminator, penalty, real_logit, fake_logit = means
    return {
        "kimg": state.images_seen / 1000,
        "total_kimg": total / 1000,
        "images_seen": state.images_seen,
        "seconds": round(state.seconds, 3),
        "images_per_second": round(speed, 1),
        "loss_generator": loss_generator,
        "loss_discriminator": loss_discriminator,
        "gradient_penalty": penalty,
        "real_logit": real_logit,
        "fake_logit": fake_logit,
        "grad_norm_generator": _or_none(gradient_norm(state.generator).item()),
        "grad_norm_discriminator": _or_none(gradient_norm(state.discriminator).item()),
        "fd": fd,
        "best_fd": _or_none(state.best.score),
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _greeting(state: TrainingState, notes: list[str]) -> str:
    if state.images_seen:
        return " ".join([*notes, f"resumed at {state.images_seen / 1000:g} kimg"])
    return " ".join([*notes, "started anew"]) if notes else "started"


def _note(state: TrainingState) -> str:
    return f"best fd {state.best.score:.4g}" if math.isfinite(state.best.score) else ""


def _best_generator(state: TrainingState, spec: ModelSpec) -> Generator:
    generator = Generator(spec)
    generator.load_state_dict(state.best.weights)
    return generator.eval().requires_grad_(False)
