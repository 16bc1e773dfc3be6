"""The processes that train one candidate together: each takes its own rows of every batch.

All of them hold the whole state and take the same steps from it, for what a step depends on is averaged or told
by rank 0: gradients, batch norm's statistics, scores, lines of the log. So whatever is computed from these is the
same everywhere, the guard's decisions included. Rank 0 alone judges, writes and speaks.

Every method is an exchange that all ranks have to enter, in the same order. For a training in one process (`ALONE`)
each returns what it was given, and costs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, final

import torch
import torch.distributed as distributed
from torch import Tensor

from ganops.errors import RankGone, RankLost

T = TypeVar("T")

_TIMED_OUT = "timed out"
"""What gloo says when nobody has answered in time; else the connection to another process has broken."""


def _unwatched() -> None:
    """Nobody counts the exchanges."""


@final
@dataclass(frozen=True)
class Ranks:
    """`count` processes, of which this is number `rank`; entering: called before each exchange."""

    rank: int = 0
    count: int = 1
    entering: Callable[[], None] = _unwatched

    @property
    def leads(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """Which rows of a batch are this process's: as many as everyone's."""
        assert batch_size % self.count == 0
        share = batch_size // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each by its mean over the ranks, all by one sum over a flat buffer."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        means = torch.split(self._summed(flat).div_(self.count), [tensor.numel() for tensor in tensors])
        with torch.no_grad():
            for tensor, mean in zip(tensors, means, strict=True):
                tensor.copy_(mean.view_as(tensor))  # into its own strides: see `optimizers`

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the ranks; differentiable once, the losses of all ranks counting alike."""
        if self.count == 1:
            return values
        total: Tensor = _Sum.apply(values, self)  # type: ignore[no-untyped-call]
        return total / self.count

    def shared(self, make: Callable[[], T]) -> T:
        """What `make`, called on rank 0 alone, returns: plain data, as JSON has it."""
        if self.count == 1:
            return make()
        text = json.dumps(make()).encode() if self.leads else b""
        length = torch.tensor([len(text)])
        self._told(length)
        data = (
            torch.frombuffer(bytearray(text), dtype=torch.uint8)
            if text
            else torch.empty(int(length), dtype=torch.uint8)
        )
        self._told(data)
        made: T = json.loads(data.numpy().tobytes())
        return made

    def smallest(self, value: int) -> int:
        """The smallest `value` of any rank."""
        if self.count == 1:
            return value
        values = torch.zeros(self.count, dtype=torch.int64)
        values[self.rank] = value
        return int(self._summed(values).min())

    def gathered(self, rows: Tensor, sizes: Sequence[int]) -> Tensor | None:
        """All ranks' rows in the order of the ranks, on rank 0; None on the others.

        sizes: how many rows each rank has. A rank that has none does not take part.
        """
        if self.count == 1:
            return rows
        if not self.leads:
            with self._exchange():
                distributed.send(rows.contiguous(), dst=0)
            return None
        whole = rows.new_empty(sum(sizes), *rows.shape[1:])
        parts = torch.split(whole, list(sizes))
        parts[0].copy_(rows)
        for source in range(1, self.count):
            if sizes[source]:
                with self._exchange():
                    distributed.recv(parts[source], src=source)
        return whole

    def wait(self) -> None:
        """Until every rank is here."""
        if self.count > 1:
            self._summed(torch.zeros(1))

    def _summed(self, tensor: Tensor) -> Tensor:
        with self._exchange():
            distributed.all_reduce(tensor)
        return tensor

    def _told(self, tensor: Tensor) -> None:
        with self._exchange():
            distributed.broadcast(tensor, src=0)

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        self.entering()
        try:
            yield
        except RuntimeError as error:
            said = str(error).splitlines()[0]
            kind = RankLost if _TIMED_OUT in said.lower() else RankGone
            raise kind(f"Rank {self.rank} of {self.count} had no answer from the others ({said}).") from error


ALONE = Ranks()


class _Sum(torch.autograd.Function):
    """Σ over the ranks. Each rank's output depends on each rank's input, and so do gradients."""

    @staticmethod
    def forward(context: Any, values: Tensor, ranks: Ranks) -> Tensor:
        context.ranks = ranks
        return ranks._summed(values.detach().clone())

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        ranks: Ranks = context.ranks
        return ranks._summed(gradient.clone()), None


@contextmanager
def joined(device: torch.device, timeout_seconds: float, entering: Callable[[], None] = _unwatched) -> Iterator[Ranks]:
    """The ranks that torchrun has started, of which this process is one, talking NCCL on GPUs and gloo on CPUs.

    An exchange that is not answered within the timeout raises RankLost (on GPUs, NCCL then ends the process).
    """
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    backend = "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    ranks = Ranks(rank, count, entering)
    with ranks._exchange():
        distributed.init_process_group(backend, timeout=timedelta(seconds=timeout_seconds))
    yield ranks
    distributed.destroy_process_group()
