"""Which images each step sees, as a function of (seed, images_seen) and nothing else."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from ganops.training.draws import SHUFFLE_STREAM

_ALL = slice(None)


@final
class ShuffledBatches:
    """Every image once per epoch, in an order that (seed, epoch) alone decides."""

    def __init__(self, num_images: int, batch_size: int, seed: int, rows: slice = _ALL) -> None:
        """rows: of each batch, those that are wanted here."""
        assert 0 < batch_size <= num_images
        self.batch_size, self.rows = batch_size, range(batch_size)[rows]
        self._num_images, self._seed = num_images, seed
        self._orders: dict[int, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}

    def at(self, images_seen: int) -> Tensor:
        """Indices of the batch that starts after `images_seen` images, of its `rows`: int64 (rows,)."""
        epoch, first = divmod(images_seen, self._num_images)
        chosen = self._order(epoch)[first : first + self.batch_size]
        if len(chosen) < self.batch_size:
            chosen = np.concatenate((chosen, self._order(epoch + 1)[: self.batch_size - len(chosen)]))
        return torch.from_numpy(chosen[self.rows.start : self.rows.stop])

    def _order(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if epoch not in self._orders:
            self._orders = {past: order for past, order in self._orders.items() if past >= epoch - 1}
            bits = np.random.Philox(key=[self._seed, SHUFFLE_STREAM], counter=epoch << 64)
            self._orders[epoch] = np.argsort(bits.random_raw(self._num_images), kind="stable")
        return self._orders[epoch]
