from __future__ import annotations

import pytest
import torch

from ganops.models import FAMILIES, ModelSpec, build_discriminator, build_generator

SIZES = [(8, 8), (9, 15), (28, 28), (32, 17), (8, 128), (127, 64)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_out_exactly(family: str, channels: int, size: tuple[int, int]) -> None:
    spec = ModelSpec(family, (channels, *size), z_dim=5, width=4)
    with torch.no_grad():
        images = build_generator(spec)(torch.randn(2, 5))
        logits = build_discriminator(spec)(images)
    assert images.shape == (2, channels, *size)
    assert images.dtype == logits.dtype == torch.float32
    assert images.abs().max() <= 1
    assert logits.shape == (2, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_seeds_give_equal_weights_and_leave_torch_alone(family: str) -> None:
    spec = ModelSpec(family, (1, 8, 8), z_dim=5, width=4)
    before = torch.get_rng_state()
    first, second, other = build_generator(spec, 1), build_generator(spec, 1), build_generator(spec, 2)
    assert torch.equal(before, torch.get_rng_state())
    z = torch.randn(2, 5)
    assert torch.equal(first(z), second(z))
    assert not torch.equal(first(z), other(z))
