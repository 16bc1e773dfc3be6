"""Whether two ways to take a step come to the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ganops.training.state import Tensors, TrainingState, gradients_of, tensors_of

FIGURES = 1e-2
"""Of losses and logits, relative, or absolute below 0.1: kernels that add in changing order leave 1e-5 to 1e-3."""
GRADIENTS = 2e-2
"""Of the change of all that is linear or quadratic in a gradient, or a statistic of a network's."""
WEIGHTS = 0.25
"""Of the change of weights. Adam's first steps have one size: where a gradient is all rounding, its sign is chance."""
_ROUNDING = 1e-6
_WEIGHTS = frozenset({"weight", "bias", "original"})


@final
@dataclass(frozen=True, eq=False)
class Moment:
    """All that a step changes, copied, with the gradients themselves."""

    tensors: Tensors
    gradients: list[tuple[torch.nn.Parameter, Tensor | None]]

    def restore(self, state: TrainingState) -> None:
        """Bring `state` back to it, every tensor in its place."""
        with torch.no_grad():
            for name, tensor in tensors_of(state).items():
                tensor.copy_(self.tensors[name])
        for parameter, gradient in self.gradients:
            parameter.grad = gradient


def moment(state: TrainingState) -> Moment:
    """The present one."""
    return Moment({name: tensor.detach().clone() for name, tensor in tensors_of(state).items()}, gradients_of(state))


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """What a step came to: its means (5,), and the tensors of the state after it."""

    means: Tensor
    after: Tensors


def disagreement(before: Tensors, expected: Outcome, found: Outcome) -> str | None:
    """What of two steps from `before` is not the same, by its first name; None when all is.

    Compared are, for each network or optimiser and each kind of tensor, the Euclidean norm of the difference and
    that of the change: whole kinds, for a single weight's gradient may be nothing but rounding.
    """
    if not torch.allclose(found.means, expected.means, rtol=FIGURES, atol=FIGURES / 10):
        return "losses"
    for kind, names in _kinds(before).items():
        change = _distance(expected.after, before, names)
        allowed = (WEIGHTS if kind.endswith("weights") else GRADIENTS) * change
        size = _ROUNDING * float(torch.stack([_norm(before[name]) for name in names]).norm())
        if not _distance(found.after, expected.after, names) <= allowed + size:  # NaN does not agree
            return kind
    return None


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for name in tensors:
        owner, _, rest = name.partition("/")
        last = rest.replace("/", ".").rpartition(".")[2]
        what = "weights" if last in _WEIGHTS else last
        kinds.setdefault(f"{owner} {what}", []).append(name)
    return kinds


def _distance(one: Tensors, other: Tensors, names: list[str]) -> float:
    return float(torch.stack([_norm(one[name].double() - other[name].double()) for name in names]).norm())


def _norm(tensor: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(tensor.double())
    return norm
