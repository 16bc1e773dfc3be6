"""The discriminator's turn under a gradient penalty: by `first_order` where that can follow the network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ganops.config import CandidateConfig
from ganops.training.first_order import accumulate_gradients
from ganops.training.objectives import OBJECTIVES, between, gradients, one_centred, zero_centred
from ganops.training.schedules import Number
from ganops.training.state import TrainingState
from ganops.training.turn import Turn, figures_of


def penalised(state: TrainingState, candidate: CandidateConfig, gamma: Number, turn: Turn) -> Tensor:
    """Add the turn's share of the gradient of loss and penalty to the weights'; returns `figures_of` it."""
    objective = OBJECTIVES[candidate.objective]

    def loss(logits: Tensor) -> Tensor:
        real_logits, fake_logits = logits.chunk(2)
        return objective.discriminator(real_logits, fake_logits) * turn.share

    if candidate.penalty == "gp":
        logits, loss_value = _learn_loss(state, turn, loss)
        penalty_value = _learn_between(state, gamma, turn)
    else:
        penalty = partial(_zero_centred, candidate, gamma, turn.share)
        logits, loss_value, penalty_value = _learn(state, turn.images, turn.labels, loss, penalty)
    return figures_of(turn, loss_value, penalty_value, *logits.chunk(2))


def _zero_centred(candidate: CandidateConfig, gamma: Number, share: float, gradient: Tensor) -> Tensor:
    """R1, R2 or both, of ∇ₓ D at real and then at generated images."""
    at_real, at_fake = gradient.chunk(2)
    penalties = {"r1": [at_real], "r2": [at_fake], "r1_r2": [at_real, at_fake]}[candidate.penalty]
    return torch.stack([zero_centred(at, gamma) for at in penalties]).sum() * share


def _learn_loss(state: TrainingState, turn: Turn, loss: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Add the gradient of the loss alone; returns logits and its value, detached."""
    with state.autocast():
        logits: Tensor = state.discriminator(turn.images, turn.labels)
    loss_value = loss(logits)
    torch.autograd.backward(loss_value)
    return logits.detach(), loss_value.detach()


def _learn_between(state: TrainingState, gamma: Number, turn: Turn) -> Tensor:
    """Add the gradient of GP; returns its value, detached."""
    batch = turn.batch
    assert batch.share is not None
    images = between(batch.real, turn.fake, batch.share)

    def penalty(gradient: Tensor) -> Tensor:
        return one_centred(gradient, gamma) * turn.share

    return _learn(state, images, batch.labels, lambda logits: logits.sum() * 0.0, penalty)[2]


def _learn(
    state: TrainingState,
    images: Tensor,
    labels: Tensor | None,
    loss: Callable[[Tensor], Tensor],
    penalty: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Add the gradient of loss(D(x)) + penalty(∇ₓ D(x)) to the weights'; returns logits and both values, detached."""

    def logits_of(images: Tensor) -> Tensor:
        with state.autocast():
            logits: Tensor = state.discriminator(images, labels)
        return logits

    if state.first_order:
        return accumulate_gradients(state.discriminator, logits_of, images, loss, penalty)
    images = images.detach().requires_grad_(True)
    logits = logits_of(images)
    loss_value, penalty_value = loss(logits), penalty(gradients(logits, images))
    torch.autograd.backward(loss_value + penalty_value)
    return logits.detach(), loss_value.detach(), penalty_value.detach()
