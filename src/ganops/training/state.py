"""Everything that training changes, in one value that can be stored and restored exactly."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganops.config import CandidateConfig
from ganops.models import Discriminator, Generator, ModelSpec, build_discriminator, build_generator
from ganops.training.batch_norm import synchronise
from ganops.training.ema import Average
from ganops.training.first_order import follows
from ganops.training.optimizers import optimizer_of
from ganops.training.ranks import ALONE, Ranks

Tensors = dict[str, Tensor]
MEMORY_FORMAT = "channels_last"


@final
@dataclass
class Best:
    """The best `generator_ema` so far: its score, where it was, and its weights on the CPU."""

    score: float = math.inf
    images_seen: int = 0
    weights: Tensors = field(default_factory=dict)


@final
@dataclass
class TrainingState:
    """Both networks, the average, both optimisers, the best so far and the log, after `images_seen` images.

    micro_batch: images whose gradients are computed at once, see `memory`.
    first_order: gradient penalties need no double backward, see `first_order`.
    ranks: the processes that train together, each of which holds all of this.
    seconds: of training, of which evaluation_seconds went into in-loop evaluation.
    moves: a sentence for each time that it went on on another type of device, or with fewer images at a time.
    """

    generator: Generator
    discriminator: Discriminator
    average: Average
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    precision: str
    micro_batch: int
    first_order: bool
    ranks: Ranks = ALONE
    images_seen: int = 0
    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    best: Best = field(default_factory=Best)
    lines: list[dict[str, Any]] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where both networks are."""
        return next(self.generator.parameters()).device

    def autocast(self) -> AbstractContextManager[None]:
        """Forward passes in bfloat16 where asked for; weights, losses, penalties and optimisers stay float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")

    @property
    def mixes_images(self) -> bool:
        """Whether a network has batch norm: what becomes of an image then depends on the others of its batch."""
        modules = (*self.generator.modules(), *self.discriminator.modules())
        return any(isinstance(module, _BatchNorm) for module in modules)


def fresh_state(
    spec: ModelSpec,
    candidate: CandidateConfig,
    seed: int,
    device: torch.device,
    precision: str,
    micro_batch: int,
    ranks: Ranks = ALONE,
) -> TrainingState:
    """The state before the first step, on `device`."""
    generator, discriminator = build_generator(spec, seed), build_discriminator(spec, seed)
    for network in (generator, discriminator):
        network.to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    first_order, average = follows(discriminator), Average(generator)
    for network in (generator, discriminator):
        synchronise(network, ranks)
    return TrainingState(
        generator,
        discriminator,
        average,
        optimizer_of(generator, candidate, candidate.generator_lr),
        optimizer_of(discriminator, candidate, candidate.discriminator_lr),
        precision,
        micro_batch,
        first_order,
        ranks,
    )


def tensors_of(state: TrainingState) -> Tensors:
    """Every live tensor of `state` by name: a view, in whatever strides it has."""
    tensors: Tensors = {}
    for prefix, module in _modules(state).items():
        tensors |= {f"{prefix}/{name}": tensor for name, tensor in module.state_dict().items()}
    for prefix, optimizer in _optimizers(state).items():
        for index, parameter in enumerate(optimizer.param_groups[0]["params"]):
            tensors |= {f"{prefix}/{index}/{name}": value for name, value in optimizer.state[parameter].items()}
    return tensors


def gradients_of(state: TrainingState) -> list[tuple[nn.Parameter, Tensor | None]]:
    """Every weight, with the gradient that the last step left."""
    networks = (state.generator, state.discriminator)
    return [(parameter, parameter.grad) for network in networks for parameter in network.parameters()]


def _modules(state: TrainingState) -> dict[str, nn.Module]:
    return {
        "generator": state.generator,
        "discriminator": state.discriminator,
        "generator_ema": state.average.generator_ema,
    }


def _optimizers(state: TrainingState) -> dict[str, torch.optim.Optimizer]:
    return {
        "generator_optimizer": state.generator_optimizer,
        "discriminator_optimizer": state.discriminator_optimizer,
    }
