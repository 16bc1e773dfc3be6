"""What generator and discriminator minimise, beside the papers' equations. Torch only.

D(x) is a logit, so that log σ(D) = -softplus(-D). All arguments are logits float32 (N, 1),
all results float32 scalars.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import softplus


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log σ(D(x))] - E[log(1 - σ(D(G(z))))]   (Goodfellow et al. 2014, equation 1)."""
    return softplus(-real).mean() + softplus(fake).mean()


def non_saturating_generator(real: Tensor, fake: Tensor) -> Tensor:  # noqa: ARG001 - one shape for all objectives
    """-E[log σ(D(G(z)))]   (Goodfellow et al. 2014, section 3, last paragraph)."""
    return softplus(-fake).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[f(D(G(z)) - D(x))], f = softplus   (RpGAN: Jolicoeur-Martineau 2018; Huang et al. 2024, equation 2)."""
    return softplus(fake - real).mean()


def relativistic_generator(real: Tensor, fake: Tensor) -> Tensor:
    """E[f(D(x) - D(G(z)))]: the same pairs, seen by the other player."""
    return softplus(real - fake).mean()


def gradient_penalty(logits: Tensor, images: Tensor, gamma: float) -> Tensor:
    """γ/2 · E[‖∇ₓ D(x)‖²], differentiable in the weights of D.

    R1 on real images (Mescheder et al. 2018, equation 9), R2 on generated ones. `images` (N, C, H, W)
    must require a gradient and `logits` come of them one by one (no batch norm), which makes the
    gradient of the sum the gradient of each.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return 0.5 * gamma * gradient.square().sum(dim=(1, 2, 3)).mean()


@final
@dataclass(frozen=True)
class Objective:
    """The losses of both players, each a function of (real logits, fake logits)."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    generator_sees_real: bool
    """Whether the generator's loss needs the real logits at all."""


OBJECTIVES: dict[str, Objective] = {
    "non_saturating": Objective(non_saturating_discriminator, non_saturating_generator, generator_sees_real=False),
    "relativistic": Objective(relativistic_discriminator, relativistic_generator, generator_sees_real=True),
}
