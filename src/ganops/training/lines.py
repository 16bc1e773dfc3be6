"""A line of statistics: what the log, the guard and a person look at. Values in, a mapping out."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ganops.training.guard import Evaluation
from ganops.training.state import TrainingState

LOSSES = ("loss_generator", "loss_discriminator", "gradient_penalty", "real_logit", "fake_logit")


def line_of(state: TrainingState, means: Tensor, total: int, images_per_second: float) -> dict[str, Any]:
    """The line after the last step, without an evaluation; JSON has no NaN, so what is not finite is None.

    means: what `train_step` returned, averaged since the last line; total: images shown by the end.
    """
    figures: dict[str, float] = dict(zip(LOSSES, means.tolist(), strict=True))  # the device is waited for here
    layers = {}
    for player, network in (("generator", state.generator), ("discriminator", state.discriminator)):
        layers[player] = gradient_norms(network)
        figures[f"grad_norm_{player}"] = math.hypot(*layers[player].values())
        figures[f"weight_norm_{player}"] = _norm([*network.parameters()])
    return {
        "kimg": state.images_seen / 1000,
        "total_kimg": total / 1000,
        "images_seen": state.images_seen,
        "seconds": round(state.seconds, 3),
        "images_per_second": round(images_per_second, 1),
        **{name: finite_or_none(value) for name, value in figures.items()},
        **{f"grad_norms_{player}": _finite(norms) for player, norms in layers.items()},
        "not_finite": [name for name, value in figures.items() if not math.isfinite(value)],
        **evaluated(state, None),
    }


def evaluated(state: TrainingState, evaluation: Evaluation | None) -> dict[str, Any]:
    """The part of a line that an evaluation changes."""
    share = state.evaluation_seconds / state.seconds if state.seconds > 0 else 0.0
    return {
        "fd": finite_or_none(evaluation.fd) if evaluation else None,
        "diversity": finite_or_none(evaluation.diversity) if evaluation else None,
        "best_fd": finite_or_none(state.best.score),
        "evaluation_share": round(share, 4),
    }


def gradient_norms(network: nn.Module) -> dict[str, float]:
    """Euclidean norm of the gradient that the last step left in each layer, by the layer's name, in their order."""
    named = [(name, parameter.grad) for name, parameter in network.named_parameters() if parameter.grad is not None]
    if not named:
        return {}
    norms = torch.stack(torch._foreach_norm([gradient for _, gradient in named])).tolist()
    layers: dict[str, float] = {}
    for (name, _), norm in zip(named, norms, strict=True):
        layers[_layer(name)] = math.hypot(layers.get(_layer(name), 0.0), norm)
    return layers


def finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _layer(parameter: str) -> str:
    """layers.3 of layers.3.weight, and of layers.3.parametrizations.weight.original."""
    return (
        parameter.split(".parametrizations.")[0] if ".parametrizations." in parameter else parameter.rpartition(".")[0]
    )


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors))).item())


def _finite(norms: dict[str, float]) -> dict[str, float | None]:
    return {layer: finite_or_none(norm) for layer, norm in norms.items()}
