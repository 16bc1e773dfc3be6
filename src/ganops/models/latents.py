"""Latent vectors and class labels that depend on (seed, index) and on nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_WORDS_PER_COUNTER = 4  # Philox4x64 makes four 64-bit words of each counter value
_LABELS = 1 << 32  # beyond every stream of latents, so that a label tells nothing about its vector


def latents(seed: int, count: int, z_dim: int, start: int = 0, stream: int = 0) -> Tensor:
    """Vectors `start` … `start + count - 1` of an endless standard normal sequence: float32 (count, z_dim), CPU.

    Vector i is the same whatever `start`, `count` and batch it is asked for in. `stream` selects an
    independent sequence of the same seed. Counter-based uniforms (Salmon et al. 2011, Philox4x64-10)
    go through Box-Muller in float64, of a fixed number of words per vector, unlike NumPy's own
    `standard_normal`, which rejects and so cannot be entered in the middle.
    """
    counters = -(-z_dim // _WORDS_PER_COUNTER)
    bits = np.random.Philox(key=[seed, stream], counter=start * counters)
    words = bits.random_raw(count * counters * _WORDS_PER_COUNTER).reshape(count, -1, 2)
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # in (0, 1), never an end
    radius = np.sqrt(-2.0 * np.log(uniform[..., 0]))
    angle = 2.0 * np.pi * uniform[..., 1]
    normal = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=-1)
    return torch.from_numpy(normal.reshape(count, -1)[:, :z_dim].astype(np.float32))


def class_labels(seed: int, count: int, class_shares: Sequence[float], start: int = 0, stream: int = 0) -> Tensor:
    """Labels `start` … `start + count - 1` of an endless sequence, drawn by `class_shares`: int64 (count,), CPU.

    Label i is the same whatever `start`, `count` and batch it is asked for in, independent of vector i of
    `latents`, and never a class whose share is 0.
    """
    bits = np.random.Philox(key=[seed, _LABELS + stream], counter=start)
    words = bits.random_raw(count * _WORDS_PER_COUNTER)[::_WORDS_PER_COUNTER]
    uniform = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53  # in [0, 1)
    upper = np.cumsum(np.asarray(class_shares, dtype=np.float64))
    labels = np.searchsorted(upper / upper[-1], uniform, side="right")
    return torch.from_numpy(labels.astype(np.int64))
