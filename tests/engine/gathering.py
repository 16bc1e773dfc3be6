"""Processes that look at a generator's images together, by gloo."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from ganops.evaluation.sharded import Rows, Sampling, sample_on
from ganops.models import Generator, ModelSpec, build_generator
from ganops.training.ranks import joined

SAMPLING = Sampling(num_images=150, seed=7, batch_size=16)
"""Ten batches, the last one smaller: two and three processes have unequal shares of it."""
_SPEC = ModelSpec("lite", (1, 8, 8), z_dim=4, width=4, class_shares=(0.5, 0.0, 0.5))
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["ganops.evaluation.sharded", "ganops.training.ranks"])


def look(images_u8: Tensor) -> Rows:
    """Rows of two types, as features and classes are."""
    weights = torch.linspace(-1.0, 1.0, 64 * 8).sin().view(64, 8)
    features = (images_u8.flatten(1).float() / 255 @ weights).tanh()
    return {"features": features, "classes": features.argmax(1)}


def generator() -> Generator:
    return build_generator(_SPEC, seed=3).eval()


def gathered(folder: Path, processes: int, sampling: Sampling) -> dict[str, Tensor]:
    """What the first of so many processes has in the end; the others have nothing."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = (str(folder), processes, port, sampling)
    ranks = [_CONTEXT.Process(target=_rank, args=(rank, *arguments)) for rank in range(processes)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(120)
        assert rank.exitcode == 0
    assert [path.name for path in folder.iterdir()] == ["0.safetensors"]
    return safetensors.torch.load_file(folder / "0.safetensors")


def _rank(rank: int, folder: str, processes: int, port: int, sampling: Sampling) -> None:
    torch.set_num_threads(1)
    where = {"RANK": str(rank), "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= where
    with joined(torch.device("cpu"), 60.0) as ranks:
        rows = sample_on(generator(), look, sampling, ranks)
        ranks.wait()
    if rows is not None:
        safetensors.torch.save_file(rows, Path(folder) / f"{rank}.safetensors")
