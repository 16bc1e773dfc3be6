"""Dropout whose masks are a function of (seed, images_seen), as everything random is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from ganops.training.draws import torch_seed


def has_dropout(*networks: nn.Module) -> bool:
    """Whether a step of them draws masks from torch's global generators."""
    return any(isinstance(module, _DropoutNd) for network in networks for module in network.modules())


@contextmanager
def seeded_dropout(seed: int, images_seen: int, device: torch.device, *networks: nn.Module) -> Iterator[None]:
    """Seed torch's global generators for one step and restore them; nothing where no network has dropout."""
    if not has_dropout(*networks):
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(torch_seed(seed, 0, images_seen))
        yield
