from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import tiny_spec

from ganops.models import build_discriminator, build_generator
from ganops.models.blocks import Residual
from ganops.models.levels import Resampling
from ganops.models.r3gan import LowPassDown, LowPassUp

STEPS = [Resampling((4, 4), (8, 8)), Resampling((4, 7), (7, 14)), Resampling((5, 7), (5, 13))]


@pytest.mark.parametrize("step", STEPS)
def test_resampling_keeps_a_constant_up_to_the_border(step: Resampling) -> None:
    torch.testing.assert_close(LowPassUp(3, step)(torch.ones(2, 3, *step.coarse)), torch.ones(2, 3, *step.fine))
    torch.testing.assert_close(LowPassDown(3, step)(torch.ones(2, 3, *step.fine)), torch.ones(2, 3, *step.coarse))


def test_up_is_linear_interpolation_and_down_weighs_one_two_one() -> None:
    step = Resampling((3, 4), (6, 4))
    row = torch.tensor([1.0, 3.0, 7.0])[:, None].expand(1, 1, 3, 4)
    up = LowPassUp(1, step)(row)
    assert up[0, 0, :, 0].tolist() == [1, 2, 3, 5, 7, 7]
    down = LowPassDown(1, step)(up)
    assert down[0, 0, 1:, 2].tolist() == [(2 + 2 * 3 + 5) / 4, (5 + 2 * 7 + 7) / 4]


def test_every_branch_starts_at_zero_and_the_rest_is_scaled_by_the_depth() -> None:
    spec = replace(tiny_spec("r3gan", (3, 32, 32)), width=16)
    for network in (build_generator(spec), build_discriminator(spec)):
        blocks = [layer for layer in network.layers if isinstance(layer, Residual)]
        assert len(blocks) == 8
        for block in blocks:
            first, _, grouped, _, last = block.branch
            assert not last.weight.any()
            for layer in (first, grouped):
                expected = (2 / 1.04) ** 0.5 * 8**-0.25 / layer.weight[0].numel() ** 0.5
                assert layer.weight.std().item() == pytest.approx(expected, rel=0.15)


def test_no_parameter_is_lost_to_a_filter() -> None:
    """The filters are the geometry's, not the model's: nothing of them is stored or learned."""
    generator = build_generator(tiny_spec("r3gan", (1, 28, 28)))
    assert not [name for name in generator.state_dict() if "kernel" in name or "gain" in name]
    assert set(dict(generator.named_parameters())) == set(generator.state_dict())
