"""Adam, AdamW and SGD, whose state exists from the start: it can be stored and restored at any time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganops.config import CandidateConfig
from ganops.training.device_rates import move_at_device_rates
from ganops.training.schedules import Number


def optimizer_of(network: nn.Module, candidate: CandidateConfig, learning_rate: float) -> torch.optim.Optimizer:
    """The candidate's optimiser, with its state in the strides of the weights.

    Fused Adam on CPU walks through raw memory: with channels_last weights and contiguous moments it
    would silently pair the wrong elements.
    """
    optimizer = _plain(network, candidate, learning_rate)
    for parameter in network.parameters():
        if candidate.optimizer == "sgd":  # a buffer of zeros makes the first step what it is without one
            buffers = {"momentum_buffer": _zeros(parameter)} if candidate.momentum > 0 else {}
            optimizer.state[parameter] = buffers
        else:
            optimizer.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": _zeros(parameter),
                "exp_avg_sq": _zeros(parameter),
            }
    return optimizer


def set_rates(optimizer: torch.optim.Optimizer, learning_rate: Number, betas: tuple[float, Number]) -> None:
    """Take the next step at `learning_rate` and, if it is Adam, with `betas`."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
        if "betas" in group:
            group["betas"] = betas


def move(optimizer: torch.optim.Optimizer) -> None:
    """Take the optimiser's step, by torch's fused kernels, or at rates that are read on the device."""
    if isinstance(optimizer.param_groups[0]["lr"], Tensor):
        move_at_device_rates(optimizer)
    else:
        optimizer.step()


def _plain(network: nn.Module, candidate: CandidateConfig, learning_rate: float) -> torch.optim.Optimizer:
    parameters, betas = network.parameters(), candidate.betas
    match candidate.optimizer:
        case "adam":
            return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, eps=1e-8, fused=True)
        case "adamw":
            decay = candidate.weight_decay
            return torch.optim.AdamW(
                parameters, lr=learning_rate, betas=betas, eps=1e-8, weight_decay=decay, fused=True
            )
        case "sgd":
            return torch.optim.SGD(parameters, lr=learning_rate, momentum=candidate.momentum)


def _zeros(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter, memory_format=torch.preserve_format)
