from __future__ import annotations

import math

import pytest
import torch
from tiny import SHARES, tiny_spec

from ganops.models import FAMILIES, ModelSpec, build_discriminator, build_generator
from ganops.models.cost import Cost, model_cost


def test_dense_layers_by_hand() -> None:
    cost = model_cost(ModelSpec("mlp_gan", (3, 8, 10), z_dim=5, width=4))
    assert cost.generator == Cost(parameters=5 * 4 + 4 + 4 * 4 + 4 + 4 * 240 + 240, macs=5 * 4 + 4 * 4 + 4 * 240)
    assert cost.discriminator == Cost(parameters=240 * 4 + 4 + 4 * 4 + 4 + 4 + 1, macs=240 * 4 + 4 * 4 + 4)


def test_convolutions_by_hand() -> None:
    """Nine multiplications for each pair of maps at each pixel."""
    cost = model_cost(ModelSpec("conv_flat", (3, 8, 10), z_dim=80, width=4))
    assert cost.generator.macs == 80 * 9 * (1 * 4 + 4 * 4 + 4 * 4 + 4 * 3)


def test_transposed_and_grouped_convolutions_by_hand() -> None:
    dense = model_cost(ModelSpec("dense_dcgan", (1, 8, 8), z_dim=5, width=1)).generator.macs
    assert dense == 5 * 4 + 4 * 8 + 8 * 16 + 16 * 16 + 25 * (2 * 2 * 4 * 2 + 2 * 2 * 2 * 1 + 4 * 4 * 1 * 1)
    cost = model_cost(ModelSpec("r3gan", (1, 8, 8), z_dim=5, width=8)).generator.macs
    block_16, block_8 = 2 * 16 * 32 + 32 * 16 * 9, 2 * 8 * 16 + 16 * 16 * 9
    assert cost == 5 * 16 + 16 * (2 * block_16 + 16 * 8) + 64 * (2 * block_8 + 8)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shares", [(), SHARES])
def test_parameters_are_those_of_the_networks(family: str, shares: tuple[float, ...]) -> None:
    spec = tiny_spec(family, (3, 9, 13), class_shares=shares)
    cost = model_cost(spec)
    for build, counted in ((build_generator, cost.generator), (build_discriminator, cost.discriminator)):
        assert counted.parameters == sum(math.prod(parameter.shape) for parameter in build(spec).parameters())


def test_counting_leaves_torch_alone() -> None:
    before = torch.get_rng_state()
    model_cost(tiny_spec("sngan", (3, 8, 8)))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.zeros(1).device.type == "cpu"
