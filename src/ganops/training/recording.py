"""A step that is recorded once, and replayed on whatever lies in the buffers that it reads.

Python runs while it is recorded and never again: what it read as a number then is a constant of the recording.
So all that differs from step to step lies in tensors: the batches, and the rates that schedules change. Networks,
optimisers and gradients are tensors anyway, and stay at their places.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

from ganops.config import CandidateConfig
from ganops.training.inputs import Batch
from ganops.training.schedules import Rates
from ganops.training.state import TrainingState, gradients_of
from ganops.training.step import take_step
from ganops.training.transfer import sent

_WARM_UP_STEPS = 3


class Recorder(ABC):
    """What records and replays the work of a device."""

    @abstractmethod
    def record(self, step: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """What repeats `step`, and the tensor in which each repetition leaves what `step` returned.

        `step` may be taken any number of times meanwhile. It asks the device for nothing, and allocates the same
        tensors each time.
        """


@final
class CudaGraphs(Recorder):
    """CUDA graphs: kernels with their arguments, sent to the device all at once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def record(self, step: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Warmed up on the stream that it is recorded on: libraries choose kernels and workspaces the first time."""
        current = torch.cuda.current_stream(self._device)
        stream, graph = torch.cuda.Stream(self._device), torch.cuda.CUDAGraph()  # type: ignore[no-untyped-call]
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_STEPS):
                step()
        current.wait_stream(stream)
        # one that fails might not go back to the current stream: the outer context does
        with torch.cuda.stream(current), torch.cuda.graph(graph, stream=stream):
            result = step()
        return graph.replay, result


@final
class Recording:
    """The step of one state, for batches of one shape; `state` is another after making it."""

    def __init__(
        self,
        recorder: Recorder,
        state: TrainingState,
        candidate: CandidateConfig,
        rates: Rates,
        batches: Sequence[Batch],
    ) -> None:
        """rates, batches: what it is recorded on; of no consequence for what is replayed."""
        self._state, self._candidate, self._beta1 = state, candidate, rates.betas[0]
        self._batches = [batch.mapped(torch.clone) for batch in batches]  # in the same strides
        self._numbers = torch.zeros(len(_numbers(rates)), dtype=torch.float64, device=state.device)
        self._load(rates, batches)
        self._repeat, self._means = recorder.record(self._step)
        self._gradients = gradients_of(state)

    def fits(self, state: TrainingState, batches: Sequence[Batch]) -> bool:
        """Whether a step of `state` on `batches` is the one that was recorded."""
        return state is self._state and [*map(_shapes, batches)] == [*map(_shapes, self._batches)]

    def replay(self, rates: Rates, batches: Sequence[Batch]) -> Tensor:
        """Take the step; returns what `take_step` does."""
        self._load(rates, batches)
        self._repeat()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient  # a step without the recording may have put another one there
        return self._means.clone()

    def _step(self) -> Tensor:
        generator_lr, discriminator_lr, beta2, gamma, ema_share = self._numbers.unbind()
        betas = (self._beta1, beta2)
        rates = Rates(generator_lr, discriminator_lr, betas, gamma.float(), ema_share.float())
        return take_step(self._state, self._candidate, rates, self._batches)

    def _load(self, rates: Rates, batches: Sequence[Batch]) -> None:
        """Bring all inputs to where the recording reads them; the host does not wait."""
        numbers = torch.tensor(_numbers(rates), dtype=torch.float64)
        self._numbers.copy_(sent(numbers, self._numbers.device))
        for kept, batch in zip(self._batches, batches, strict=True):
            for place, tensor in zip(kept.tensors, batch.tensors, strict=True):
                if place is not None and tensor is not None:
                    place.copy_(tensor)


def _numbers(rates: Rates) -> list[float]:
    """All but β1, which no schedule changes."""
    numbers = (rates.generator_lr, rates.discriminator_lr, rates.betas[1], rates.gamma, rates.ema_share)
    return [float(number) for number in numbers]


def _shapes(batch: Batch) -> list[tuple[torch.Size, torch.dtype] | None]:
    return [None if tensor is None else (tensor.shape, tensor.dtype) for tensor in batch.tensors]
