"""The discriminator's turn under a gradient penalty: by `first_order` where that can follow the network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganops.config import CandidateConfig
from ganops.training.first_order import accumulate_gradients
from ganops.training.objectives import OBJECTIVES, between, gradients, one_centred, zero_centred
from ganops.training.state import TrainingState
from ganops.training.turn import Turn, figures_of


def penalised(state: TrainingState, candidate: CandidateConfig, gamma: float, turn: Turn) -> Tensor:
    """Add the turn's share of the gradient of loss and penalty to the weights'; returns `figures_of` it."""
    objective = OBJECTIVES[candidate.objective]

    def loss(logits: Tensor) -> Tensor:
        real_logits, fake_logits = logits.chunk(2)
        return objective.discriminator(real_logits, fake_logits) * turn.share

    def penalty(gradient: Tensor) -> Tensor:
        return _penalty(candidate, gamma, *gradient.chunk(2)) * turn.share

    logits, loss_value, penalty_value = _learn(state, turn.images, turn.labels, loss, penalty)
    if candidate.penalty == "gp":
        assert turn.batch.share is not None
        images = between(turn.batch.real, turn.fake, turn.batch.share)
        _, _, penalty_value = _learn(
            state, images, turn.batch.real_labels, _nothing, lambda gradient: one_centred(gradient, gamma) * turn.share
        )
    return figures_of(turn, loss_value, penalty_value, *logits.chunk(2))


def _penalty(candidate: CandidateConfig, gamma: float, at_real: Tensor, at_fake: Tensor) -> Tensor:
    match candidate.penalty:
        case "r1":
            return zero_centred(at_real, gamma)
        case "r2":
            return zero_centred(at_fake, gamma)
        case "r1_r2":
            return zero_centred(at_real, gamma) + zero_centred(at_fake, gamma)
        case "gp":
            return _nothing(at_real)  # it is asked for between real and generated images


def _nothing(values: Tensor) -> Tensor:
    return values.sum() * 0.0


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
