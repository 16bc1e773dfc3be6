"""What a network costs: its parameters and the multiplications of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from ganops.models.networks import Discriminator, Generator
from ganops.models.spec import ModelSpec

_Convolution = nn.Conv2d
_Transposed = nn.ConvTranspose2d


@final
@dataclass(frozen=True)
class Cost:
    """parameters: learned numbers. macs: multiply-accumulates of one forward pass of one image."""

    parameters: int
    macs: int


@final
@dataclass(frozen=True)
class ModelCost:
    generator: Cost
    discriminator: Cost


def model_cost(spec: ModelSpec) -> ModelCost:
    """Counted on networks without memory behind them, so that the largest costs nothing to look at."""
    with torch.device("meta"):
        generator, discriminator = Generator(spec).eval(), Discriminator(spec).eval()
        labels = torch.zeros(1, dtype=torch.int64) if spec.class_shares else None
        images = torch.zeros(1, *spec.image_shape)
        return ModelCost(
            _cost(generator, torch.zeros(1, spec.z_dim), labels),
            _cost(discriminator, images, labels),
        )


def _cost(network: nn.Module, given: Tensor, labels: Tensor | None) -> Cost:
    """MACs of convolutions, transposed convolutions and dense layers, seen by forward hooks.

    Biases, normalisation, activations, fixed filters and resampling are not counted; each is a few
    operations for a value, where a convolution has hundreds.
    """
    macs: list[int] = []

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            macs.append(output.numel() * layer.in_features)
        elif isinstance(layer, _Convolution):
            macs.append(output.numel() * layer.weight[0].numel())
        elif isinstance(layer, _Transposed):
            macs.append(inputs[0].numel() * layer.weight[0].numel())

    hooks = [layer.register_forward_hook(count) for layer in network.modules()]
    with torch.no_grad():
        network(given, labels)
    for hook in hooks:
        hook.remove()
    return Cost(sum(parameter.numel() for parameter in network.parameters()), sum(macs))
