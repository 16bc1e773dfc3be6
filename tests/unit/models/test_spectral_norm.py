from __future__ import annotations

import pytest
import torch
from tiny import tiny_spec
from torch import nn

from ganops.models import FAMILIES, build_discriminator


def singular_values(discriminator: nn.Module) -> list[float]:
    """The largest of each weight matrix, as the layers use it."""
    weighted = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    return [torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2).item() for layer in weighted]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_layer_stretches_by_more_than_one(family: str) -> None:
    discriminator = build_discriminator(tiny_spec(family, (1, 9, 8), spectral_norm=True))
    for _ in range(100):  # each forward pass in training mode is one power iteration
        discriminator(torch.randn(2, 1, 9, 8))
    values = singular_values(discriminator.eval())
    assert len(values) >= 3
    assert values == pytest.approx([1.0] * len(values), abs=0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_sngan_has_it_unasked(family: str) -> None:
    discriminator = build_discriminator(tiny_spec(family, (1, 9, 8)))
    normalised = any(nn.utils.parametrize.is_parametrized(layer) for layer in discriminator.modules())
    assert normalised == (family == "sngan") == FAMILIES[family].spectral_norm


@pytest.mark.parametrize("family", FAMILIES)
def test_judging_without_learning_changes_nothing(family: str) -> None:
    discriminator = build_discriminator(tiny_spec(family, (1, 9, 8), spectral_norm=True)).eval()
    images = torch.randn(2, 1, 9, 8)
    with torch.no_grad():
        assert torch.equal(discriminator(images), discriminator(images))
