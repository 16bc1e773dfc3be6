from __future__ import annotations

import pytest
import torch
from tiny import PENALISED, SHARES, tiny_spec
from torch import Tensor, nn

from ganops.models import FAMILIES, build_discriminator, build_generator

SHAPE = (3, 9, 13)
ZERO_AT_FIRST = {"r3gan"}


def without_gradient(network: nn.Module, loss: Tensor) -> list[str]:
    network.zero_grad(set_to_none=True)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return [name for name, gradient in gradients.items() if gradient is None or not gradient.any()]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shares", [(), SHARES])
def test_gradient_reaches_every_parameter(family: str, shares: tuple[float, ...]) -> None:
    spec = tiny_spec(family, SHAPE, class_shares=shares)
    labels = torch.arange(6) % 3 if shares else None
    z, real = torch.randn(6, spec.z_dim), torch.randn(6, *SHAPE)
    weights = torch.randn(6, *SHAPE)  # a plain sum would be blind before batch norm
    generator, discriminator = build_generator(spec), build_discriminator(spec)
    for network, images_or_z in ((generator, z), (discriminator, real)):

        def loss(network: nn.Module = network, given: Tensor = images_or_z) -> Tensor:
            output = network(given, labels)
            return (output * weights).sum() if network is generator else (output.flatten(1).mean(1) ** 3).sum()

        silent = without_gradient(network, loss())
        if family in ZERO_AT_FIRST:
            assert silent, "fix-up: what lies before a branch's last layer learns only once that is not 0"
            assert all(".branch.0." in name or ".branch.2." in name for name in silent)
            torch.optim.SGD(network.parameters(), lr=0.1).step()
            silent = without_gradient(network, loss())
        assert silent == []


@pytest.mark.parametrize("family", PENALISED)
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_a_gradient_penalty_can_be_learned_from(family: str, spectral_norm: bool) -> None:
    """R1 by double backward; checked against the penalty's finite difference along its own gradient."""
    spec = tiny_spec(family, SHAPE, spectral_norm=spectral_norm)
    discriminator = build_discriminator(spec).double().eval()
    with torch.no_grad():  # leave fix-up's zeros
        for parameter in discriminator.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    images = torch.randn(4, *SHAPE, dtype=torch.float64).requires_grad_()
    parameters = list(discriminator.parameters())

    def penalty(create_graph: bool) -> Tensor:
        # `layers`: forward gives float32, too coarse for a difference
        logits = discriminator.layers(images).flatten(1).mean(1)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=create_graph)
        return gradient.square().sum()

    gradients = torch.autograd.grad(penalty(True), parameters, allow_unused=True, materialize_grads=True)
    squared = sum(gradient.square().sum() for gradient in gradients)
    assert squared > 0
    step = 1e-6 / squared.sqrt()
    values = []
    for sign in (1, -2):
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter += sign * step * gradient
        values.append(penalty(False).item())
    slope = (values[0] - values[1]) / (2 * step)
    assert slope.item() == pytest.approx(squared.item(), rel=1e-3)
