"""One step of the game: the discriminator learns, then the generator, on the same generated images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganops.config import CandidateConfig
from ganops.models import Discriminator
from ganops.training.inputs import Batch
from ganops.training.memory import within_memory
from ganops.training.objectives import OBJECTIVES
from ganops.training.optimizers import move, set_rates
from ganops.training.penalised import penalised
from ganops.training.schedules import Number, Rates
from ganops.training.state import TrainingState
from ganops.training.turn import Turn, figures_of


def take_step(state: TrainingState, candidate: CandidateConfig, rates: Rates, batches: Iterable[Batch]) -> Tensor:
    """The whole step: both networks learn, and the average follows; returns what `train_step` does."""
    set_rates(state.generator_optimizer, rates.generator_lr, rates.betas)
    set_rates(state.discriminator_optimizer, rates.discriminator_lr, rates.betas)
    means = train_step(state, candidate, rates.gamma, batches)
    state.average.update(state.generator, rates.ema_share)
    return means


def train_step(state: TrainingState, candidate: CandidateConfig, gamma: Number, batches: Iterable[Batch]) -> Tensor:
    """Update both networks in place: the discriminator on each of `batches`, then the generator on the last.

    Each of `state.ranks` has its own rows of a batch; the mean over ranks of gradients and figures is the batch's.

    Returns [loss_generator, loss_discriminator, penalty, real_logit, fake_logit], float32 (5,), not synchronised.

    Raises:
        ConfigError: the batch does not fit in memory and cannot be taken in parts.
    """
    figures, count = torch.zeros(4, device=state.device), 0
    for batch in batches:
        _iterate_power(state.discriminator)
        learned, shown = within_memory(state, batch, partial(_discriminator_gradient, state, candidate, gamma))
        state.ranks.average([*_gradients(state.discriminator), learned])
        move(state.discriminator_optimizer)
        figures, count = figures + learned, count + 1
    kept = [shown] if shown is not None else []
    loss = within_memory(state, batch, partial(_generator_gradient, state, candidate, kept))
    state.ranks.average([*_gradients(state.generator), loss])
    move(state.generator_optimizer)
    return torch.cat((loss[None], figures / count))


def _discriminator_gradient(
    state: TrainingState, candidate: CandidateConfig, gamma: Number, batch: Batch, at_once: int
) -> tuple[Tensor, Tensor | None]:
    """Leave the gradient of loss and penalty; returns their values and mean logits, float32 (4,), and the images.

    The generated images, as shown, are of use to the generator only if the batch was taken whole: None otherwise.
    """
    whole = at_once >= len(batch)
    learn = penalised if _has_penalty(candidate, gamma) else _unpenalised
    figures, shown = torch.zeros(4, device=state.device), None
    state.discriminator_optimizer.zero_grad(set_to_none=True)
    for part in batch.parts(at_once):
        with torch.set_grad_enabled(whole):
            shown = _shown(state, part)
        figures += learn(state, candidate, gamma, Turn(part, shown.detach(), len(part) / len(batch)))
    return figures, shown if whole else None


def _has_penalty(candidate: CandidateConfig, gamma: Number) -> bool:
    """A scalar on the device cannot be asked here, and is recorded with a penalty if it ever has one."""
    return candidate.penalised if isinstance(gamma, Tensor) else gamma > 0


def _unpenalised(state: TrainingState, candidate: CandidateConfig, gamma: Number, turn: Turn) -> Tensor:  # noqa: ARG001
    real_logits, fake_logits = _judged(state, candidate, turn)
    loss = OBJECTIVES[candidate.objective].discriminator(real_logits, fake_logits) * turn.share
    torch.autograd.backward(loss)
    none = torch.zeros((), device=state.device)
    return figures_of(turn, loss, none, real_logits, fake_logits)


def _generator_gradient(
    state: TrainingState, candidate: CandidateConfig, kept: list[Tensor], batch: Batch, at_once: int
) -> Tensor:
    """Leave the gradient of the generator's loss; returns its value, float32 scalar.

    kept: the generated images of the discriminator's turn, if there are any; they are used up.
    """
    objective = OBJECTIVES[candidate.objective]
    figure = torch.zeros((), device=state.device)
    state.generator_optimizer.zero_grad(set_to_none=True)
    with _frozen(state.discriminator):  # its weights need no gradient of the generator's loss
        for part in batch.parts(at_once):
            shown = kept.pop() if kept else _shown(state, part)
            with state.autocast():
                fake_logits = real_logits = state.discriminator(shown, part.labels)
                if objective.generator_sees_real:
                    with torch.no_grad():
                        real_logits = state.discriminator(part.real, part.labels)
            share = len(part) / len(batch)
            loss = objective.generator(real_logits, fake_logits) * share
            torch.autograd.backward(loss)
            figure += loss.detach().float()
    return figure


def _shown(state: TrainingState, batch: Batch) -> Tensor:
    """Generated images as the discriminator sees them."""
    with state.autocast():
        images = state.generator(batch.z, batch.labels)
    return batch.shown(images)


def _judged(state: TrainingState, candidate: CandidateConfig, turn: Turn) -> tuple[Tensor, Tensor]:
    """Logits of real and generated images, of one batch of each or of one batch that holds both."""
    batch = turn.batch
    with state.autocast():
        if candidate.mixed_batch:
            real_logits, fake_logits = state.discriminator(turn.images, turn.labels).chunk(2)
            return real_logits, fake_logits
        return state.discriminator(batch.real, batch.labels), state.discriminator(turn.fake, batch.labels)


def _iterate_power(discriminator: Discriminator) -> None:
    """One power iteration of each spectral norm, which then stays until the next update (Miyato et al. 2018, alg. 1).

    Left to itself it would iterate in every forward pass, and the result would depend on how a batch is cut.
    """
    for module in discriminator.modules():
        if isinstance(module, parametrize.ParametrizationList):
            module.train()
            with torch.no_grad():
                module()  # the normalised weight: its making iterates
            module.eval()


def _gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
