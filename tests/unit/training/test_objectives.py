from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganops.config import OBJECTIVES as CONFIGURABLE
from ganops.training.objectives import OBJECTIVES, between, gradients, one_centred, zero_centred

REAL, FAKE = np.array([1.5, -0.25, 0.0, 3.0]), np.array([-2.0, 0.75, 0.5, -0.125])


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.log1p(np.exp(-x))


def minimax_value() -> float:
    """What D maximises: E log σ(D(x)) + E log(1 - σ(D(G(z))))."""
    return float(log_sigmoid(REAL).mean() + np.log(1 - 1 / (1 + np.exp(-FAKE))).mean())


BY_HAND = {
    "minimax": (-minimax_value(), float(np.log(1 - 1 / (1 + np.exp(-FAKE))).mean())),
    "non_saturating": (-minimax_value(), float(-log_sigmoid(FAKE).mean())),
    "least_squares": (
        float(((REAL - 1) ** 2).mean() / 2 + (FAKE**2).mean() / 2),
        float(((FAKE - 1) ** 2).mean() / 2),
    ),
    "hinge": (float(np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean()), float(-FAKE.mean())),
    "wasserstein": (float(FAKE.mean() - REAL.mean()), float(-FAKE.mean())),
    "relativistic": (float(-log_sigmoid(REAL - FAKE).mean()), float(-log_sigmoid(FAKE - REAL).mean())),
}


def test_every_objective_is_here_and_configurable() -> None:
    assert tuple(OBJECTIVES) == CONFIGURABLE == tuple(BY_HAND)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("shape", [(4, 1), (2, 1, 1, 2)], ids=["images", "patches"])
def test_an_objective_is_the_papers_equation(name: str, shape: tuple[int, ...]) -> None:
    real, fake = torch.from_numpy(REAL).view(shape), torch.from_numpy(FAKE).view(shape)
    objective, (discriminator, generator) = OBJECTIVES[name], BY_HAND[name]
    assert objective.discriminator(real, fake).item() == pytest.approx(discriminator, rel=1e-12)
    assert objective.generator(real, fake).item() == pytest.approx(generator, rel=1e-12)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_players_pull_the_logits_in_opposite_directions(name: str) -> None:
    real, fake = (torch.zeros(3, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    up, down = torch.autograd.grad(OBJECTIVES[name].discriminator(real, fake + 0.5), (real, fake))
    assert (up < 0).all() and (down > 0).all()  # descending, D raises D(x) and lowers D(G(z))
    (pulled,) = torch.autograd.grad(OBJECTIVES[name].generator(real, fake), fake)
    assert (pulled < 0).all()  # and G raises D(G(z))


def test_minimax_saturates_where_the_others_do_not() -> None:
    """Where D is sure that an image is generated, σ(D) → 0 and with it the gradient of log(1 - σ(D))."""
    slopes = {}
    for name, objective in OBJECTIVES.items():
        fake = torch.full((1, 1), -20.0, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(objective.generator(torch.zeros_like(fake), fake), fake)
        slopes[name] = abs(slope.item())
    assert slopes.pop("minimax") == pytest.approx(1 / (1 + math.exp(20)))
    assert min(slopes.values()) > 0.9


def test_relativistic_sees_differences_only() -> None:
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    objective = OBJECTIVES["relativistic"]
    torch.testing.assert_close(objective.discriminator(real + 7, fake + 7), objective.discriminator(real, fake))
    torch.testing.assert_close(objective.generator(real, fake), objective.discriminator(fake, real))
    assert objective.generator_sees_real
    assert not any(other.generator_sees_real for name, other in OBJECTIVES.items() if name != "relativistic")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_stay_finite_for_huge_logits(name: str) -> None:
    huge = torch.full((2, 1), 1e4)
    for loss in (OBJECTIVES[name].discriminator, OBJECTIVES[name].generator):
        assert torch.isfinite(loss(-huge, huge))


def test_r1_and_r2_of_a_linear_discriminator() -> None:
    """D(x) = w·x has gradient w everywhere: γ/2·‖w‖², whose gradient in w is γ·w."""
    w = torch.randn(12, dtype=torch.float64, requires_grad=True)
    images = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    value = zero_centred(gradients((images.flatten(1) @ w)[:, None], images), 0.6)
    torch.testing.assert_close(value, 0.3 * w.square().sum())
    (gradient,) = torch.autograd.grad(value, w)
    torch.testing.assert_close(gradient, 0.6 * w.detach())


def test_gp_of_a_linear_discriminator() -> None:
    """λ(‖w‖ - 1)², whose gradient in w is 2λ(‖w‖ - 1)·w/‖w‖: nothing where the slope is 1."""
    w = torch.randn(12, dtype=torch.float64, requires_grad=True)
    images = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    value = one_centred(gradients((images.flatten(1) @ w)[:, None], images), 10.0)
    norm = w.detach().norm()
    torch.testing.assert_close(value.detach(), 10.0 * (norm - 1.0) ** 2)
    (gradient,) = torch.autograd.grad(value, w)
    torch.testing.assert_close(gradient, 20.0 * (norm - 1.0) * w.detach() / norm)
    unit = (w / norm).detach()
    assert one_centred(gradients((images.flatten(1) @ unit)[:, None], images), 10.0).item() == pytest.approx(
        0.0, abs=1e-20
    )


def test_gp_of_a_flat_discriminator_has_a_finite_gradient() -> None:
    w = torch.zeros(4, requires_grad=True)
    images = torch.randn(2, 1, 2, 2, requires_grad=True)
    value = one_centred(gradients((images.flatten(1) @ w)[:, None], images), 1.0)
    value.backward()
    assert value.item() == 1.0
    assert torch.isfinite(w.grad).all()


def test_between_is_a_share_of_each_pair() -> None:
    real, fake = torch.full((3, 1, 1, 1), 1.0), torch.full((3, 1, 1, 1), -1.0)
    share = torch.tensor([0.0, 0.25, 1.0]).view(3, 1, 1, 1)
    assert between(real, fake, share).flatten().tolist() == [-1.0, -0.5, 1.0]


def test_patches_are_averaged_per_image_not_per_batch() -> None:
    """With four patches of slope w each, D(x) is their mean: the gradient is w, however many patches and images."""
    w = torch.randn(12, dtype=torch.float64)
    images = torch.randn(5, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    logits = (images.flatten(1) @ w)[:, None, None, None].expand(5, 1, 2, 2)
    torch.testing.assert_close(gradients(logits, images).flatten(1).detach(), w.expand(5, 12))


@pytest.mark.parametrize("penalty", [zero_centred, one_centred])
def test_penalties_are_differentiable_through_the_network(penalty) -> None:  # type: ignore[no-untyped-def]
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(12, 1)).double()
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)

    def value(weight: torch.Tensor) -> torch.Tensor:
        images = x.clone().requires_grad_(True)
        logits = torch.func.functional_call(network, {"0.weight": weight}, (images,))
        return penalty(gradients(logits, images), 1.0)

    assert torch.autograd.gradcheck(value, network[0].weight.detach().requires_grad_(True))
