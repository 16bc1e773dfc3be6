"""Where the real images lie while a network trains, and how a batch of them comes to the device.

All ways give the same batches, bit for bit. On a CPU, reading each batch from the memory map is as fast as from
a copy (28×28×1: 40 µs against 105 for a batch of 64; 64×64×3: 1.3 ms against 1.5; 256×256×3: 97 ms against 101,
conversion to float included), needs no memory of its own, and lets candidates that train side by side share the
page cache; from a cold disk a batch took under a hundredth of a step. So nothing is copied there, and nobody reads
ahead. A GPU takes steps so short that the data set should lie on it, or be read ahead where it does not fit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor

from ganops.errors import ConfigError
from ganops.training.batches import ShuffledBatches
from ganops.training.transfer import sent

Images = np.ndarray[Any, np.dtype[np.uint8]]

BATCHES_AHEAD = 3
_SHARE_OF_FREE_MEMORY = 0.5
"""Of the device, that a data set may take: the networks and their feature maps need the rest."""


class TrainingImages(ABC):
    """The real images of each batch."""

    @abstractmethod
    def at(self, images_seen: int) -> Tensor:
        """The batch that comes after `images_seen` images: uint8 (N, C, H, W), on the device."""


def training_images(
    images_u8: Images, order: ShuffledBatches, device: torch.device, resident: Literal["auto"] | bool
) -> TrainingImages:
    """images_u8 (N, C, H, W), an array or a memory map, the way that suits its size and `device`.

    resident: whether all of it is copied to the device; auto: on CUDA, if it takes at most half of the free memory.

    Raises:
        ConfigError: it was to be copied, and does not fit.
    """
    if resident == "auto":
        resident = _fits(images_u8.nbytes, device)
    if resident:
        return Resident(images_u8, order, device)
    return Prefetched(images_u8, order, device) if device.type == "cuda" else Mapped(images_u8, order)


def _fits(size: int, device: torch.device) -> bool:
    return device.type == "cuda" and size <= _SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]


@final
class Resident(TrainingImages):
    """The whole data set, on the device."""

    def __init__(self, images_u8: Images, order: ShuffledBatches, device: torch.device) -> None:
        """Raises ConfigError where the device's memory is too small."""
        try:
            self._images_u8 = torch.from_numpy(np.array(images_u8)).to(device)  # a copy: a memory map is read-only
        except (MemoryError, torch.OutOfMemoryError):
            raise ConfigError(
                f"'train.resident' in params.yaml is true, but the training images, {images_u8.nbytes / 1e9:.1f} GB, "
                f"do not fit in the memory of {device}. Set it to auto or false, and batches are read from the disk "
                "as they are needed."
            ) from None
        self._order, self._device = order, device

    def at(self, images_seen: int) -> Tensor:
        return self._images_u8[sent(self._order.at(images_seen), self._device)]


@final
class Mapped(TrainingImages):
    """Read from the memory map, by the system's page cache, when it is asked for; for a CPU."""

    def __init__(self, images_u8: Images, order: ShuffledBatches) -> None:
        self._images_u8, self._order = images_u8, order

    def at(self, images_seen: int) -> Tensor:
        return torch.from_numpy(self._images_u8[self._order.at(images_seen).numpy()])


@final
class Prefetched(TrainingImages):
    """Read from the memory map by one thread, a few batches ahead, into pinned memory where that speeds up the copy.

    The thread ends with this object, after the batch it is at, and with the process. An error while reading is
    raised by the `at` of its batch.
    """

    def __init__(self, images_u8: Images, order: ShuffledBatches, device: torch.device) -> None:
        self._images_u8, self._order, self._device = images_u8, order, device
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="ganops-images")
        self._ahead: deque[tuple[int, Future[Tensor]]] = deque()

    def at(self, images_seen: int) -> Tensor:
        if not self._ahead or self._ahead[0][0] != images_seen:  # the first of all, or training has gone back
            self._begin(images_seen)
        _, batch = self._ahead.popleft()
        self._ask(images_seen + BATCHES_AHEAD * self._order.batch_size)
        return batch.result().to(self._device, non_blocking=True)

    def _begin(self, images_seen: int) -> None:
        for _, batch in self._ahead:
            batch.cancel()
        self._ahead.clear()
        for number in range(BATCHES_AHEAD):
            self._ask(images_seen + number * self._order.batch_size)

    def _ask(self, images_seen: int) -> None:
        chosen = self._order.at(images_seen).numpy()  # here, not in the thread: the order keeps a cache
        shape = (len(chosen), *self._images_u8.shape[1:])
        buffer = torch.empty(shape, dtype=torch.uint8, pin_memory=self._device.type == "cuda")
        self._ahead.append((images_seen, self._reader.submit(_read, self._images_u8, chosen, buffer)))


def _read(images_u8: Images, chosen: np.ndarray[Any, np.dtype[np.int64]], buffer: Tensor) -> Tensor:
    np.take(images_u8, chosen, axis=0, out=buffer.numpy(), mode="clip")  # the other modes copy once more
    return buffer
