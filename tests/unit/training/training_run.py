"""A tiny training, for tests and, as a script, for the test that kills it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from ganops.config import CandidateConfig, TrainConfig
from ganops.files import sha256_bytes
from ganops.models import Generator, ModelSpec, latents
from ganops.training.checkpoint import CheckpointStore
from ganops.training.loop import TrainingResult, train

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 1, 8, 9), dtype=np.uint8)
BATCH, TOTAL_KIMG = 8, 0.4


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
        assert images_u8.shape == (64, 1, 8, 9)
        assert images_u8.dtype == torch.uint8
        self.samples_at.append(images_seen)


def brightness(generator: Generator) -> float:
    """A score that is cheap and changes: how far the mean grey is from a dark one."""
    with torch.no_grad():
        return abs(generator(latents(0, 8, 4)).mean().item() + 0.02)


def run(
    directory: Path,
    family: str = "dcgan",
    precision: str = "float32",
    recorder: Recorder | None = None,
    score: Any = brightness,
    kimg: float = TOTAL_KIMG,
    learning_rate: float = 1e-3,
) -> TrainingResult:
    penalised = family == "lite"
    candidate = CandidateConfig.model_validate(
        {
            "family": family,
            "objective": "relativistic" if penalised else "non_saturating",
            "gamma": 0.5 if penalised else 0.0,
            "instance_noise": 0.1,
            "kimg": kimg,
            "width": 4,
            "z_dim": 4,
            "generator_lr": learning_rate,
            "discriminator_lr": learning_rate,
        }
    )
    config = TrainConfig.model_validate(
        {
            "device": "cpu",
            "precision": precision,
            "batch_size": BATCH,
            "evaluate_every_kimg": 0.1,
            "checkpoint_every_kimg": 0.05,
        }
    )
    spec = ModelSpec(family, (1, 8, 9), 4, 4)
    store = CheckpointStore(directory)
    return train(IMAGES, spec, candidate, config, 5, score, store, recorder or Recorder())


def digest(result: TrainingResult) -> str:
    return sha256_bytes(safetensors.torch.save(dict(result.generator.state_dict())))


if __name__ == "__main__":
    finished = run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], kimg=float(sys.argv[4]))
    print(digest(finished), finished.resumed_at)
