"""Everything that training changes, in one value that can be stored and restored exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from ganops.config import CandidateConfig
from ganops.models import Discriminator, Generator, ModelSpec, build_discriminator, build_generator
from ganops.training.ema import Average

Tensors = dict[str, Tensor]


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
    """Both networks, the average, both optimisers, the best so far and the log, after `images_seen` images."""

    generator: Generator
    discriminator: Discriminator
    average: Average
    generator_optimizer: torch.optim.Adam
    discriminator_optimizer: torch.optim.Adam
    precision: str
    images_seen: int = 0
    seconds: float = 0.0
    best: Best = field(default_factory=Best)
    lines: list[dict[str, Any]] = field(default_factory=list)


def fresh_state(
    spec: ModelSpec, candidate: CandidateConfig, seed: int, device: torch.device, precision: str
) -> TrainingState:
    """The state before the first step, on `device`."""
    generator, discriminator = build_generator(spec, seed), build_discriminator(spec, seed)
    for network in (generator, discriminator):
        network.to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    return TrainingState(
        generator,
        discriminator,
        Average(generator, candidate.ema_half_life_kimg),
        _adam(generator, candidate.generator_lr, candidate.betas),
        _adam(discriminator, candidate.discriminator_lr, candidate.betas),
        precision,
    )


def _adam(network: nn.Module, learning_rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Fused Adam; its moments exist from the start, in the strides of the weights.

    Fused Adam on CPU walks through raw memory: with channels_last weights and contiguous moments it
    would silently pair the wrong elements.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, betas=betas, eps=1e-8, fused=True)
    for parameter in network.parameters():
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        }
    return optimizer


def tensors_of(state: TrainingState) -> Tensors:
    """Every live tensor of `state` by name: a view, in whatever strides it has."""
    tensors: Tensors = {}
    for prefix, module in _modules(state).items():
        tensors |= {f"{prefix}/{name}": tensor for name, tensor in module.state_dict().items()}
    for prefix, optimizer in _optimizers(state).items():
        for index, parameter in enumerate(optimizer.param_groups[0]["params"]):
            moments = optimizer.state[parameter]
            tensors |= {f"{prefix}/{index}/{name}": moments[name] for name in ("step", "exp_avg", "exp_avg_sq")}
    return tensors


def _modules(state: TrainingState) -> dict[str, nn.Module]:
    return {
        "generator": state.generator,
        "discriminator": state.discriminator,
        "generator_ema": state.average.generator_ema,
    }


def _optimizers(state: TrainingState) -> dict[str, torch.optim.Adam]:
    return {"generator_adam": state.generator_optimizer, "discriminator_adam": state.discriminator_optimizer}
