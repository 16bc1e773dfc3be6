"""The whole step in one CUDA graph, where there can be one; elsewhere op by op, to the same result.

A step is hundreds of small kernels, and on a GPU starting them takes longer than running them: a graph starts all
at once. A recording that is wrong would spoil a training in silence, so that each is tried out before it is used:
on two sets of inputs its replay has to come to what the same step comes to without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import final

import torch
from torch import Tensor

from ganops.config import CandidateConfig, TrainConfig
from ganops.errors import ConfigError
from ganops.training.agreement import Moment, Outcome, disagreement, moment
from ganops.training.dropout import has_dropout
from ganops.training.inputs import Batch
from ganops.training.recording import CudaGraphs, Recorder, Recording
from ganops.training.schedules import Rates
from ganops.training.state import TrainingState
from ganops.training.step import take_step

Step = Callable[[TrainingState, CandidateConfig, Rates, Iterable[Batch]], Tensor]


def step_for(state: TrainingState, config: TrainConfig, say: Callable[[str], None]) -> Step:
    """The step to train `state` with: replayed where `config.cuda_graph` and the training allow that.

    say: told, in one sentence, when a recording did not work out and the training goes on without.

    Raises:
        ConfigError: `cuda_graph` is true, and this training cannot be recorded.
    """
    obstacle = _obstacle(state, config)
    if config.cuda_graph is True and obstacle is not None:
        raise ConfigError(
            f"'train.cuda_graph' in params.yaml is true, but {obstacle}, so that its step cannot be recorded as a CUDA "
            "graph. Set it to auto, and the step is taken without one."
        )
    if config.cuda_graph is False or obstacle is not None:
        return take_step
    return Captured(CudaGraphs(state.device), say)


def _obstacle(state: TrainingState, config: TrainConfig) -> str | None:
    """Why this training takes its steps op by op, as the second half of a sentence."""
    if state.device.type != "cuda":
        return f"the training runs on {state.device.type}"
    if state.ranks.count > 1:
        return "several processes train together"
    if config.deterministic:
        return "'train.deterministic' is true"
    if config.micro_batch is not None and config.micro_batch < config.batch_size:
        return "'train.micro_batch' takes a batch in parts"
    if has_dropout(state.generator, state.discriminator):
        return "the candidate's family has dropout, whose masks are drawn anew for each step"
    return None


@final
class _Unfit(RuntimeError):
    """The recording cannot be used."""


@final
class Captured:
    """A `Step` that is recorded the first time, for each state and shape of batch, and then replayed.

    Where that fails once, or memory is short so that batches come in parts, steps are taken by `take_step`.
    """

    def __init__(self, recorder: Recorder, say: Callable[[str], None]) -> None:
        self._recorder, self._say = recorder, say
        self._recording: Recording | None = None
        self._failed = False

    def __call__(
        self, state: TrainingState, candidate: CandidateConfig, rates: Rates, batches: Iterable[Batch]
    ) -> Tensor:
        if self._failed:
            return take_step(state, candidate, rates, batches)
        batches = list(batches)
        if state.micro_batch < len(batches[0]):
            return take_step(state, candidate, rates, batches)
        if self._recording is None or not self._recording.fits(state, batches):
            return self._first(state, candidate, rates, batches)
        return self._recording.replay(rates, batches)

    def _first(
        self, state: TrainingState, candidate: CandidateConfig, rates: Rates, batches: Sequence[Batch]
    ) -> Tensor:
        """Record the step and take it by a replay; or give up, and take it as if nothing had been tried."""
        self._recording, whole, before = None, state.micro_batch, None
        try:
            before = moment(state)
            self._recording, means = _tried_out(self._recorder, state, candidate, rates, batches, before)
            return means
        except (RuntimeError, ConfigError) as error:
            reason = _reason(error)
        # outside of the handler: its traceback holds tensors
        self._failed, state.micro_batch = True, whole
        if before is not None:
            before.restore(state)
        self._say(f"the step could not be recorded as a CUDA graph ({reason}) and is taken without one")
        return take_step(state, candidate, rates, batches)


def _tried_out(
    recorder: Recorder,
    state: TrainingState,
    candidate: CandidateConfig,
    rates: Rates,
    batches: Sequence[Batch],
    before: Moment,
) -> tuple[Recording, Tensor]:
    """A recording that agrees with `take_step`; `state` is one step on, by its replay, which returned the means.

    It is recorded on other inputs than it is used with: what it had kept of them would not agree. All steps without
    it come first, for they need the memory that it then holds.

    Raises:
        _Unfit, RuntimeError, ConfigError: there is none, and `state` is anywhere.
    """
    whole = state.micro_batch
    trials = [(_other_rates(rates), [_other_batch(batch) for batch in batches]), (rates, batches)]
    expected = []
    for trial in trials:
        before.restore(state)
        expected.append(Outcome(take_step(state, candidate, *trial), moment(state).tensors))
    recording = Recording(recorder, state, candidate, *trials[0])
    if state.micro_batch < whole:
        raise _Unfit("out of memory")
    for trial, wanted in zip(trials, expected, strict=True):
        before.restore(state)
        means = recording.replay(*trial)
        if differs := disagreement(before.tensors, wanted, Outcome(means, moment(state).tensors)):
            raise _Unfit(f"it came to other {differs}")
    return recording, means


def _other_rates(rates: Rates) -> Rates:
    """Half of each."""
    return Rates(
        rates.generator_lr / 2,
        rates.discriminator_lr / 2,
        (rates.betas[0], rates.betas[1] / 2),
        rates.gamma / 2,
        rates.ema_share / 2,
    )


def _other_batch(batch: Batch) -> Batch:
    """Everything negated, labels in another order: a permutation alone would leave means as they are."""
    return batch.mapped(lambda tensor: -tensor if tensor.is_floating_point() else tensor.flip(0))


def _reason(error: Exception) -> str:
    """One short clause of it."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
