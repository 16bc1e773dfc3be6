"""A recorder for a CPU that has the properties of a CUDA graph which a step could get wrong.

Like a graph it holds operations with their arguments: numbers as they were, tensors by their memory. A replay runs
no Python of the step's, reads and writes the same memory, and so repeats whatever was a number when it was recorded.
It refuses, as a capture does, what waits for the device or depends on what a tensor holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from ganops.training.recording import Recorder

CPU = torch.device("cpu")
REFUSED = {
    "aten::_local_scalar_dense",
    "aten::is_nonzero",
    "aten::equal",
    "aten::nonzero",
    "aten::masked_select",
    "aten::_unique2",
    "aten::set_",
    "aten::resize_",
}
RANDOM = ("rand", "bernoulli", "dropout", "normal_", "uniform_")


class NotPermitted(RuntimeError):
    """A capture would fail here, or its replay would repeat what should differ."""


class Operations(TorchDispatchMode):
    """What runs under it, in order: function, arguments, keywords, result. only: the one device it may touch."""

    def __init__(self, only: torch.device) -> None:
        super().__init__()
        self.made: list[tuple[Any, Sequence[Any], Mapping[str, Any], Any]] = []
        self._only = only

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, given = func._schema.name, kwargs or {}
        if name in REFUSED or any(name.removeprefix("aten::").startswith(word) for word in RANDOM):
            raise NotPermitted(f"operation not permitted when stream is capturing: {func}")
        out = func(*args, **given)
        strangers = [x for x in tree_leaves((args, given, out)) if isinstance(x, Tensor) and x.device != self._only]
        if strangers:
            raise NotPermitted(f"{func} touches a tensor on {strangers[0].device}")
        self.made.append((func, args, given, out))
        return out


class Tape(Recorder):
    """swap: what to put in the place of a tensor among the arguments, for recordings that are to be wrong."""

    def __init__(self, swap: Callable[[Tensor], Tensor] = lambda tensor: tensor, only: torch.device = CPU) -> None:
        self._swap, self._only, self.recorded, self.replayed = swap, only, 0, 0
        self.operations: list[str] = []

    def record(self, step: Callable[[], Tensor], without: str = "") -> tuple[Callable[[], None], Tensor]:
        """without: an operation to leave out of the replays."""
        self.recorded += 1
        with Operations(self._only) as operations:
            means = step()
        self.operations = [func._schema.name for func, *_ in operations.made]
        made = [
            (func, *tree_map_only(Tensor, self._swap, (args, kwargs)), out)
            for func, args, kwargs, out in operations.made
            if func._schema.name != without
        ]

        @torch.no_grad()
        def replay() -> None:
            self.replayed += 1
            for func, args, kwargs, out in made:
                again = func(*args, **kwargs)
                if all(result.alias_info is None for result in func._schema.returns):
                    _put(again, out)

        return replay, means


def _put(values: Any, places: Any) -> None:
    """Results go to where those of the recording lie; a view lies there already."""
    if isinstance(places, Tensor):
        places.copy_(values)
    elif isinstance(places, list | tuple):
        for value, place in zip(values, places, strict=True):
            _put(value, place)
