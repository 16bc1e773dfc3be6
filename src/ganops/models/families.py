"""The network families by name, and the two modules that are built from their lists of layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from ganops.models import dcgan, lite
from ganops.models.spec import ModelSpec


@final
@dataclass(frozen=True)
class Family:
    """Two functions from a spec to a list of layers: the list is the architecture."""

    generator: Callable[[ModelSpec], list[nn.Module]]
    discriminator: Callable[[ModelSpec], list[nn.Module]]


FAMILIES: dict[str, Family] = {
    "dcgan": Family(dcgan.generator, dcgan.discriminator),
    "lite": Family(lite.generator, lite.discriminator),
}


@final
class Generator(nn.Module):
    """z float32 (N, z_dim) -> images float32 (N, C, H, W) in -1…1."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.Sequential(*FAMILIES[spec.family].generator(spec))

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z)
        return images.float()


@final
class Discriminator(nn.Module):
    """images float32 (N, C, H, W) in -1…1 -> logits float32 (N, 1)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.layers = nn.Sequential(*FAMILIES[spec.family].discriminator(spec))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images)
        return logits.float()


def build_generator(spec: ModelSpec, seed: int = 0) -> Generator:
    """A freshly initialised generator; equal seeds give equal weights and leave torch's generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2 * seed)
        return Generator(spec)


def build_discriminator(spec: ModelSpec, seed: int = 0) -> Discriminator:
    """A freshly initialised discriminator; as `build_generator`, with other random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2 * seed + 1)
        return Discriminator(spec)
