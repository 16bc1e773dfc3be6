from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import logsigmoid

from ganops.training.objectives import OBJECTIVES, gradient_penalty


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(5, 1, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)


def test_non_saturating_is_the_papers_equation(logits: tuple[torch.Tensor, torch.Tensor]) -> None:
    real, fake = logits
    objective = OBJECTIVES["non_saturating"]
    expected = -logsigmoid(real).mean() - torch.log(1 - torch.sigmoid(fake)).mean()
    torch.testing.assert_close(objective.discriminator(real, fake), expected)
    torch.testing.assert_close(objective.generator(real, fake), -logsigmoid(fake).mean())


def test_relativistic_sees_differences_only(logits: tuple[torch.Tensor, torch.Tensor]) -> None:
    real, fake = logits
    objective = OBJECTIVES["relativistic"]
    expected = -logsigmoid(real - fake).mean()
    torch.testing.assert_close(objective.discriminator(real, fake), expected)
    torch.testing.assert_close(objective.discriminator(real + 7, fake + 7), expected)
    torch.testing.assert_close(objective.generator(real, fake), objective.discriminator(fake, real))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_stay_finite_for_huge_logits(name: str) -> None:
    huge = torch.full((2, 1), 1e4)
    for loss in (OBJECTIVES[name].discriminator, OBJECTIVES[name].generator):
        assert torch.isfinite(loss(-huge, huge))


def test_gradient_penalty_of_a_linear_discriminator() -> None:
    """D(x) = w·x has gradient w everywhere: γ/2·‖w‖², whose gradient in w is γ·w."""
    w = torch.randn(12, requires_grad=True)
    images = torch.randn(4, 3, 2, 2, requires_grad=True)
    penalty = gradient_penalty((images.flatten(1) @ w)[:, None], images, gamma=0.6)
    torch.testing.assert_close(penalty, 0.3 * w.square().sum())
    penalty.backward()
    torch.testing.assert_close(w.grad, 0.6 * w.detach())


def test_gradient_penalty_is_differentiable_through_the_network() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(12, 1)).double()
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)

    def penalty(weight: torch.Tensor) -> torch.Tensor:
        images = x.clone().requires_grad_(True)
        logits = torch.func.functional_call(network, {"0.weight": weight}, (images,))
        return gradient_penalty(logits, images, gamma=1.0)

    assert torch.autograd.gradcheck(lambda w: penalty(w), network[0].weight.detach().requires_grad_(True))
