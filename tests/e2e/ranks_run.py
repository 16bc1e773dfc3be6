"""Tiny trainings in float64, in one process or in several that exchange by gloo."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit" / "training"))
from training_run import BATCH, IMAGES, LABELS, Recorder, brightness, candidate_of, digest, spec_of

from ganops.config import CandidateConfig, TrainConfig
from ganops.errors import TrainingFailed
from ganops.models import Discriminator, Generator
from ganops.training.checkpoint import CheckpointStore
from ganops.training.loop import train
from ganops.training.ranks import ALONE, Ranks, joined

STEPS = 24
DIVERGING = "diverging"
"""`lite` with rates that no number survives."""
CRAMPED = "cramped"
"""`lite`, of which the last rank has memory for two real and two generated images alone."""
CPU = torch.device("cpu")
# Processes are forked from one that has imported the slow parts (torch's optimisers import the second): a start
# takes milliseconds.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["ganops.training.loop", "torch._dynamo"])


class _Enough(Exception):
    """The training is to end here."""


class _Until(Recorder):
    """Ends a training, as a kill would, once `images` were shown and stored."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self._images = images

    def line(self, line: Mapping[str, Any]) -> None:
        super().line(line)
        if line["images_seen"] > self._images:
            raise _Enough


def trained(folder: Path, recipe: str, processes: int, until_step: int = STEPS) -> list[dict[str, Any]]:
    """Train `recipe` in `folder`, or go on there, until a step; what each rank came to, after its log's losses."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = (str(folder), recipe, processes, port, until_step)
    ranks = [_CONTEXT.Process(target=_rank, args=(rank, *arguments)) for rank in range(processes)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(120)
        assert rank.exitcode == 0
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(processes)]


def stored(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of the newest checkpoint."""
    return safetensors.torch.load_file(max((folder / "checkpoints").glob("*.safetensors")))


def _rank(rank: int, folder: str, recipe: str, processes: int, port: int, until_step: int) -> None:
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]
    forward = Generator.forward
    Generator.forward = lambda self, z, labels=None: forward(self, z.double(), labels)  # type: ignore[method-assign]
    where = {"RANK": str(rank), "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= where
    if processes == 1:
        outcome = _course(Path(folder), recipe, ALONE, until_step)
    else:
        with joined(CPU, 60.0) as ranks:
            if recipe == CRAMPED and rank == processes - 1:
                _take_memory_away()
            outcome = _course(Path(folder), recipe, ranks, until_step)
    (Path(folder) / f"rank-{rank}.json").write_text(json.dumps(outcome))


def _course(folder: Path, recipe: str, ranks: Ranks, until_step: int) -> dict[str, Any]:
    candidate = _candidate(recipe)
    step_images = BATCH * candidate.discriminator_steps
    config = TrainConfig(
        device="cpu", precision="float32", batch_size=BATCH, evaluate_every_kimg=0.1, checkpoint_every_kimg=0.001
    )
    recorder, store = _Until(until_step * step_images), CheckpointStore(folder / "checkpoints")
    spec, labels = spec_of(candidate), np.array(LABELS)
    try:
        result = train(IMAGES, spec, candidate, config, 5, brightness, store, recorder, labels=labels, ranks=ranks)
    except _Enough:
        return {"lines": recorder.lines[:-1], "sha256": None}
    except TrainingFailed as error:
        return {"lines": recorder.lines, "failed": str(error)}
    return {"lines": recorder.lines, "sha256": digest(result), "notes": result.notes}


def _take_memory_away() -> None:
    forward = Discriminator.forward

    def stingy(self: Discriminator, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        if len(images) > 4:
            raise torch.OutOfMemoryError
        return forward(self, images, labels)

    Discriminator.forward = stingy  # type: ignore[method-assign]


def _candidate(recipe: str) -> CandidateConfig:
    if recipe == CRAMPED:
        return candidate_of("lite", kimg=3 * BATCH / 1000)
    if recipe == DIVERGING:
        return candidate_of("lite", kimg=STEPS * BATCH / 1000, generator_lr=1e100, discriminator_lr=1e100)
    return candidate_of(recipe, kimg=STEPS * BATCH * candidate_of(recipe).discriminator_steps / 1000)
