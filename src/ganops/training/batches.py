"""Which images each step sees, as a function of (seed, images_seen) and nothing else."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from ganops.training.draws import SHUFFLE_STREAM


@final
class ShuffledBatches:
    """Every image once per epoch, in an order that (seed, epoch) alone decides."""

    def __init__(self, num_images: int, batch_size: int, seed: int) -> None:
        assert 0 < batch_size <= num_images
        self.batch_size = batch_size
        self._num_images, self._seed = num_images, seed
        self._orders: dict[int, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}

    def at(self, images_seen: int) -> Tensor:
        """Indices of the batch that starts after `images_seen` images: int64 (batch_size,)."""
        epoch, first = divmod(images_seen, self._num_images)
        chosen = self._order(epoch)[first : first + self.batch_size]
        if len(chosen) < self.batch_size:
            chosen = np.concatenate((chosen, self._order(epoch + 1)[: self.batch_size - len(chosen)]))
        return torch.from_numpy(chosen)

    def _order(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if epoch not in self._orders:
            self._orders = {past: order for past, order in self._orders.items() if past >= epoch - 1}
            bits = np.random.Philox(key=[self._seed, SHUFFLE_STREAM], counter=epoch << 64)
            self._orders[epoch] = np.argsort(bits.random_raw(self._num_images), kind="stable")
        return self._orders[epoch]
