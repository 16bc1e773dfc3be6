"""When the device's memory does not do: take smaller parts of the batch and sum up their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from ganops.errors import ConfigError
from ganops.training.inputs import Batch
from ganops.training.state import TrainingState

T = TypeVar("T")

_SAID_ON_CPUS = ("DefaultCPUAllocator", "could not create a primitive", "could not create a memory object")
"""How torch's allocator and oneDNN say that memory is short; oneDNN says the same where something else is wrong."""


def within_memory(state: TrainingState, batch: Batch, phase: Callable[[Batch, int], T]) -> T:
    """What `phase(batch, images at a time)` returns, with `state.micro_batch` halved until it fits in memory.

    A phase computes gradients and changes no weight, so that it can be begun again. The parts' gradients
    add up to the batch's to rounding (dropout draws other masks).

    Raises:
        ConfigError: not one image fits, or the networks have batch norm, for which a part is another batch.
    """
    while True:
        try:
            return phase(batch, state.micro_batch)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            said = str(error)
            # go on outside of the handler: its traceback holds the tensors of the failed attempt
        _release()
        size = min(state.micro_batch, len(batch)) // 2
        if size == 0:
            raise ConfigError(f"Not even one image fits in the device's memory ({said}). Lower this candidate's width.")
        if state.mixes_images and state.ranks.count > 1:  # to try out what fits, all ranks would have to take part
            raise ConfigError(_advice_to_several(len(batch), state.ranks.count))
        if state.mixes_images:
            raise ConfigError(_advice(len(batch), _fitting(batch, size, phase)))
        state.micro_batch = size


def out_of_memory(error: Exception) -> bool:
    """torch has a class of error for accelerators alone: on a CPU, it raises a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _SAID_ON_CPUS)


@contextmanager
def enough_memory(candidate: str) -> Iterator[None]:
    """What is done here, beside the phases of a step, fits in memory.

    Raises:
        ConfigError: it does not.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise ConfigError(
            f"Training candidate '{candidate}' takes more memory than there is. Lower its width, or "
            "train.batch_size, in params.yaml."
        ) from None


def _fitting(batch: Batch, size: int, phase: Callable[[Batch, int], T]) -> int | None:
    """The largest of `size`, its half, its quarter … that fits; None where 2 do not."""
    while size >= 2:
        try:
            phase(next(batch.parts(size)), size)
            return size
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        _release()
        size //= 2
    return None


def _advice(batch_size: int, fitting: int | None) -> str:
    remedy = f"{fitting} fits: set train.batch_size to it" if fitting else "No smaller one does: lower its width"
    return (
        f"A batch of {batch_size} does not fit in the device's memory, and with this candidate's batch norm, which "
        f"mixes the images of a batch, it cannot be taken in parts to the same result. {remedy}, or choose a family "
        "without batch norm."
    )


def _advice_to_several(rows: int, processes: int) -> str:
    return (
        f"{rows} images, each process's share of a batch of {rows * processes}, do not fit in the device's memory, and "
        "with this candidate's batch norm, which mixes the images of a batch, they cannot be taken in parts to the "
        "same result. Lower train.batch_size, or choose a family without batch norm."
    )


def _release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
