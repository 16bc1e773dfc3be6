"""Stored weights: how large their file can be, and whether what it holds are numbers to compute with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

_MOST_HEADER = 2**20
"""Bytes of a safetensors file beside its tensors: some hundred of each, for its name, dtype and shape."""

_MOST_BYTES = 2**34
"""Whatever the tensors are said to be: four billion weights."""


def most_bytes(tensors: Iterable[Tensor]) -> int:
    """What a safetensors file of such tensors has at most; they may be on the meta device."""
    return min(_MOST_HEADER + sum(tensor.numel() * tensor.element_size() for tensor in tensors), _MOST_BYTES)


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first that holds NaN or infinity; None where all numbers are finite."""
    return next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)
