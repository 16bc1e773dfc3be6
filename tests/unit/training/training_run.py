"""A tiny training, for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from ganops.config import CandidateConfig, TrainConfig
from ganops.files import sha256_bytes
from ganops.models import Generator, ModelSpec, family_spec, latents
from ganops.progress import Progress, silent
from ganops.training import captured
from ganops.training.checkpoint import CheckpointStore
from ganops.training.guard import Evaluation
from ganops.training.loop import TrainingResult, train
from ganops.training.state import TrainingState

SHAPE = (1, 8, 9)
IMAGES = np.random.default_rng(0).integers(0, 256, (60, *SHAPE), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, 60)
BATCH, TOTAL_KIMG = 8, 0.4

RECIPES: dict[str, dict[str, Any]] = {
    "dcgan": {"family": "dcgan", "objective": "non_saturating", "instance_noise": 0.1},
    "lite": {"family": "lite", "objective": "relativistic", "gamma": 0.5, "instance_noise": 0.1},
    "dropout": {"family": "dense_dcgan", "objective": "minimax"},
    "sgd": {"family": "bn_conv_gan", "objective": "non_saturating", "optimizer": "sgd"},
    "spectral": {"family": "sngan", "objective": "hinge", "discriminator_steps": 3},
    "everything": {
        "family": "lite",
        "objective": "wasserstein",
        "penalty": "gp",
        "gamma": 10.0,
        "spectral_norm": True,
        "augment": ("color", "translation", "cutout"),
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "conditional": True,
        "mixed_batch": True,
        "discriminator_steps": 2,
        "burn_in": {"kimg": 0.2, "gamma": 1.0, "generator_lr": 1e-4, "beta2": 0.99, "ema_half_life_kimg": 1.0},
    },
}


class Recorder:
    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []
        self.samples_at: list[int] = []
        self.earlier = 0

    def begin(self, lines: list[dict[str, Any]]) -> None:
        self.lines, self.earlier = list(lines), len(lines)

    def line(self, line: Mapping[str, Any]) -> None:
        self.lines.append(line)

    def samples(self, images_seen: int, images_u8: torch.Tensor) -> None:
        assert images_u8.shape in ((64, *SHAPE), (63, *SHAPE))  # 21 of each of three classes
        assert images_u8.dtype == torch.uint8
        self.samples_at.append(images_seen)


def brightness(generator: Generator) -> Evaluation:
    """A score that is cheap and changes: how far the mean grey is from a dark one."""
    labels = torch.zeros(8, dtype=torch.int64) if generator.spec.class_shares else None
    with torch.no_grad():
        images = generator(latents(0, 8, generator.spec.z_dim), labels)
    return Evaluation(abs(images.mean().item() + 0.02), 1.0)


def candidate_of(recipe: str, **keys: Any) -> CandidateConfig:
    rates = {"generator_lr": 1e-3, "discriminator_lr": 1e-3}
    return CandidateConfig.model_validate({**rates, "width": 4, "z_dim": 4, **RECIPES[recipe], **keys})


def spec_of(candidate: CandidateConfig, shape: tuple[int, int, int] = SHAPE) -> ModelSpec:
    shares = (0.25, 0.25, 0.5) if candidate.conditional else ()
    return family_spec(candidate.family, shape, candidate.width, candidate.z_dim, shares, bool(candidate.spectral_norm))


def run(
    directory: Path,
    recipe: str = "dcgan",
    precision: str = "float32",
    recorder: Recorder | None = None,
    score: Callable[[Generator], Evaluation] = brightness,
    kimg: float = TOTAL_KIMG,
    progress: Progress = silent,
    train_keys: Mapping[str, Any] | None = None,
    **keys: Any,
) -> TrainingResult:
    candidate = candidate_of(recipe, kimg=kimg, **keys)
    settings = {"device": "cpu", "precision": precision, "batch_size": BATCH}
    every = {"evaluate_every_kimg": 0.1, "checkpoint_every_kimg": 0.05}
    config = TrainConfig.model_validate({**settings, **every, **(train_keys or {})})
    store = CheckpointStore(directory)
    follower = recorder or Recorder()
    return train(IMAGES, spec_of(candidate), candidate, config, 5, score, store, follower, progress, LABELS)


def digest(result: TrainingResult) -> str:
    return sha256_bytes(safetensors.torch.save(dict(result.generator.state_dict())))


def plant(monkeypatch: pytest.MonkeyPatch, fault: Callable[[TrainingState], None]) -> None:
    """Let `fault` happen to the state after every step."""
    honest = captured.take_step

    def faulty(state: TrainingState, *rest: Any) -> torch.Tensor:
        means = honest(state, *rest)
        fault(state)
        return means

    monkeypatch.setattr(captured, "take_step", faulty)
