"""What generator and discriminator minimise, beside the papers' equations. Torch only.

D(x) is a logit, so that log σ(D) = -softplus(-D) and log(1 - σ(D)) = -softplus(D). Logits are float32
(N, 1), or (N, 1, H, W) of a discriminator that judges patches; every loss is an expectation E over
images and, where there are any, patches: a float32 scalar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

# ---------------------------------------------------------------- objectives


def minimax_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log σ(D(x))] - E[log(1 - σ(D(G(z))))]   (Goodfellow et al. 2014, equation 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator(real: Tensor, fake: Tensor) -> Tensor:  # noqa: ARG001 - one shape for all objectives
    """E[log(1 - σ(D(G(z))))]   (Goodfellow et al. 2014, equation 1): its slope -σ(D) vanishes as D wins."""
    return -softplus(fake).mean()


def non_saturating_generator(real: Tensor, fake: Tensor) -> Tensor:  # noqa: ARG001
    """-E[log σ(D(G(z)))]   (Goodfellow et al. 2014, section 3, last paragraph)."""
    return softplus(-fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """½ E[(D(x) - 1)²] + ½ E[D(G(z))²]   (Mao et al. 2017, equation 9: a = 0, b = c = 1)."""
    return 0.5 * (real - 1.0).square().mean() + 0.5 * fake.square().mean()


def least_squares_generator(real: Tensor, fake: Tensor) -> Tensor:  # noqa: ARG001
    """½ E[(D(G(z)) - 1)²]   (Mao et al. 2017, equation 9)."""
    return 0.5 * (fake - 1.0).square().mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]   (Lim & Ye 2017; Miyato et al. 2018, equation 16)."""
    return relu(1.0 - real).mean() + relu(1.0 + fake).mean()


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(G(z))] - E[D(x)], for a D of bounded slope   (Arjovsky et al. 2017, equation 2)."""
    return fake.mean() - real.mean()


def wasserstein_generator(real: Tensor, fake: Tensor) -> Tensor:  # noqa: ARG001
    """-E[D(G(z))]   (Arjovsky et al. 2017, algorithm 1; also hinge: Miyato et al. 2018, equation 17)."""
    return -fake.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[f(D(G(z)) - D(x))], f = softplus   (RpGAN: Jolicoeur-Martineau 2018; Huang et al. 2024, equation 2)."""
    return softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """E[f(D(x) - D(G(z)))]: the same pairs, seen by the other player."""
    return softplus(real - fake).mean()


@final
@dataclass(frozen=True)
class Objective:
    """The losses of both players, each a function of (real logits, fake logits)."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    generator_sees_real: bool = False
    """Whether the generator's loss needs the real logits at all."""


OBJECTIVES: dict[str, Objective] = {
    "minimax": Objective(minimax_discriminator, minimax_generator),
    "non_saturating": Objective(minimax_discriminator, non_saturating_generator),
    "least_squares": Objective(least_squares_discriminator, least_squares_generator),
    "hinge": Objective(hinge_discriminator, wasserstein_generator),
    "wasserstein": Objective(wasserstein_discriminator, wasserstein_generator),
    "relativistic": Objective(relativistic_discriminator, relativistic_generator, generator_sees_real=True),
}

# ---------------------------------------------------------------- gradient penalties
#
# `images` (N, C, H, W) must require a gradient, and the logits come of them one by one (no batch norm):
# then the gradient of the sum over images is the gradient of each. The mean over patches is one D(x) per image.


def gradients(logits: Tensor, images: Tensor) -> Tensor:
    """∇ₓ D(x) at each image: float32 (N, C, H, W), differentiable in the weights of D."""
    (gradient,) = torch.autograd.grad(logits.flatten(1).mean(1).sum(), images, create_graph=True)
    return gradient


def zero_centred(gradient: Tensor, gamma: float | Tensor) -> Tensor:
    """γ/2 · E[‖∇ₓ D(x)‖²]: R1 at real images, R2 at generated ones   (Mescheder et al. 2018, eq. 9, section 4.1)."""
    return 0.5 * gamma * gradient.square().sum(dim=(1, 2, 3)).mean()


def one_centred(gradient: Tensor, weight: float | Tensor) -> Tensor:
    """λ · E[(‖∇ₓ̂ D(x̂)‖ - 1)²]: GP, at images `between` real and generated   (Gulrajani et al. 2017, equation 3)."""
    slope: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return weight * (slope - 1.0).square().mean()


def between(real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """x̂ = εx + (1 - ε)G(z), ε = `share` (N, 1, 1, 1) uniform in 0…1   (Gulrajani et al. 2017, algorithm 1)."""
    return share * real + (1.0 - share) * fake
