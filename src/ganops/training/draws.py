"""Random numbers of each real image shown, as a function of (seed, stream, how many images were shown before)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

LATENT_STREAM, SHUFFLE_STREAM, NOISE_STREAM, SHARE_STREAM, REAL_STREAM, FAKE_STREAM = range(1, 7)
"""z, order of the images, instance noise, GP's ε, augmentation of real and of generated images."""

_WORDS_PER_COUNTER = 4  # Philox4x64 makes four 64-bit words of each counter value


def uniforms(seed: int, stream: int, images_seen: int, count: int, width: int) -> Tensor:
    """Uniform numbers in 0…1 (1 excluded): float32 (count, width), CPU.

    Row i depends on (seed, stream, images_seen + i) alone, whatever the batch that it is part of.
    """
    counters = -(-width // _WORDS_PER_COUNTER)
    bits = np.random.Philox(key=[seed, stream], counter=images_seen * counters)
    words = bits.random_raw(count * counters * _WORDS_PER_COUNTER).reshape(count, -1)[:, :width]
    return torch.from_numpy((words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24))


def torch_seed(seed: int, stream: int, images_seen: int) -> int:
    """A seed for a torch.Generator, for noise too large to be drawn number by number; stream 0 to 3."""
    return ((seed << 34) ^ (images_seen << 2) ^ stream) % 2**64
