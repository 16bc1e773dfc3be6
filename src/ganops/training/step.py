"""One step of the game: the discriminator learns, then the generator, on the same generated images."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from ganops.config import CandidateConfig
from ganops.training.objectives import OBJECTIVES, gradient_penalty
from ganops.training.state import TrainingState


def train_step(
    state: TrainingState, candidate: CandidateConfig, real: Tensor, z: Tensor, noise: Tensor | None
) -> Tensor:
    """Update both networks in place.

    real: images float32 (N, C, H, W) in -1…1; z: float32 (N, z_dim); noise: what both real and generated
    images are blurred by before the discriminator sees them, float32 (2, N, C, H, W).
    Returns [loss_generator, loss_discriminator, penalty, real_logit, fake_logit], float32 (5,), not synchronised.
    """
    objective = OBJECTIVES[candidate.objective]
    discriminator, device = state.discriminator, real.device
    penalised = candidate.gamma > 0
    if noise is not None:
        real = real + noise[0]

    with _precision(state.precision, device):
        shown = state.generator(z)
    shown = shown if noise is None else shown + noise[1]
    fake = shown.detach().requires_grad_(penalised)
    real = real.requires_grad_(penalised)

    with _precision(state.precision, device):
        real_logits, fake_logits = discriminator(real), discriminator(fake)
    loss_discriminator = objective.discriminator(real_logits, fake_logits)
    penalty = torch.zeros((), device=device)
    if penalised:
        penalty = gradient_penalty(real_logits, real, candidate.gamma)
        penalty = penalty + gradient_penalty(fake_logits, fake, candidate.gamma)
    _descend(state.discriminator_optimizer, loss_discriminator + penalty)

    discriminator.requires_grad_(False)  # its weights need no gradient of the generator's loss
    with _precision(state.precision, device):
        fake_logits_now = discriminator(shown)
        real_logits_now = real_logits.detach()
        if objective.generator_sees_real:
            with torch.no_grad():
                real_logits_now = discriminator(real)
    loss_generator = objective.generator(real_logits_now, fake_logits_now)
    _descend(state.generator_optimizer, loss_generator)
    discriminator.requires_grad_(True)

    means = (loss_generator, loss_discriminator, penalty, real_logits.mean(), fake_logits.mean())
    return torch.stack([mean.detach().float() for mean in means])


def gradient_norm(network: nn.Module) -> Tensor:
    """Euclidean norm of the gradient that the last step left: float32 scalar."""
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    return norm


def _descend(optimizer: torch.optim.Adam, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()


def _precision(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Forward passes in bfloat16 where asked for; weights, losses, penalties and Adam stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
