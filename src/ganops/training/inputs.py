"""What each step is fed with: a function of (seed, images_seen) and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor

from ganops.config import CandidateConfig
from ganops.models import ModelSpec, latents
from ganops.training.augment import Augmentation, drawn
from ganops.training.batches import ShuffledBatches
from ganops.training.draws import FAKE_STREAM, LATENT_STREAM, REAL_STREAM, SHARE_STREAM, uniforms
from ganops.training.images import Images, training_images
from ganops.training.noise import instance_noise
from ganops.training.ranks import ALONE, Ranks
from ganops.training.transfer import sent


@final
@dataclass(frozen=True)
class Batch:
    """One batch of N images.

    real: as the discriminator is to see them, augmented and with instance noise, float32 (N, C, H, W);
    z: float32 (N, z_dim). labels: int64 (N,), of the real images and of what is generated beside each, so that
    relativistic pairs and GP's lines are of one class; None when unconditional. augmentation and noise (N, C, H, W):
    what generated images go through before the discriminator sees them. share: GP's ε, float32 (N, 1, 1, 1).
    """

    real: Tensor
    z: Tensor
    labels: Tensor | None = None
    augmentation: Augmentation | None = None
    noise: Tensor | None = None
    share: Tensor | None = None

    def __len__(self) -> int:
        return len(self.z)

    def shown(self, images: Tensor) -> Tensor:
        """Generated images (N, C, H, W) as the discriminator is to see them."""
        images = images if self.augmentation is None else self.augmentation.of(images)
        return images if self.noise is None else images + self.noise

    def parts(self, size: int) -> Iterator[Batch]:
        """Batches of at most `size` images; itself where that is enough."""
        if size >= len(self):
            yield self
            return
        for start in range(0, len(self), size):
            yield self.mapped(itemgetter(slice(start, start + size)))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch of which each tensor is the changed one."""

        def changed(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else change(tensor)

        changes = self.augmentation
        return Batch(
            change(self.real),
            change(self.z),
            changed(self.labels),
            None if changes is None else Augmentation(changes.kinds, change(changes.draws)),
            changed(self.noise),
            changed(self.share),
        )

    @property
    def tensors(self) -> list[Tensor | None]:
        """Those that there are, each always in the same place."""
        draws = None if self.augmentation is None else self.augmentation.draws
        return [self.real, self.z, self.labels, draws, self.noise, self.share]


@final
class Inputs:
    """The batches of one training, made on the device from uint8 images; where those lie is `images`' business."""

    def __init__(
        self,
        images_u8: Images,
        labels: np.ndarray[Any, np.dtype[np.int64]] | None,
        spec: ModelSpec,
        candidate: CandidateConfig,
        batch_size: int,
        seed: int,
        total: int,
        device: torch.device,
        resident: Literal["auto"] | bool = "auto",
        ranks: Ranks = ALONE,
    ) -> None:
        """labels: int64 (N,), read only when the spec has classes; total: images shown by the end.

        ranks: of each batch, only the rows of this one are made.

        Raises:
            ConfigError: `resident` is true, and the images do not fit on the device.
        """
        assert not spec.class_shares or labels is not None
        self._order = ShuffledBatches(len(images_u8), batch_size, seed, ranks.rows(batch_size))
        self._images = training_images(images_u8, self._order, device, resident)
        self._labels = torch.from_numpy(np.array(labels)).to(device) if spec.class_shares else None
        self._spec, self._candidate, self._seed, self._total = spec, candidate, seed, total
        self._rows, self._device = self._order.rows, device

    def at(self, images_seen: int) -> Batch:
        """The batch that comes after `images_seen` images."""
        first, count, device = images_seen + self._rows.start, len(self._rows), self._device
        real = (self._images.at(images_seen).float() / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)
        augmentation = self._augmentation(REAL_STREAM, first)
        real = real if augmentation is None else augmentation.of(real)
        noise = self._noise(images_seen)
        z = sent(latents(self._seed, count, self._spec.z_dim, start=first, stream=LATENT_STREAM), device)
        return Batch(
            real if noise is None else real + noise[0],
            z,
            None if self._labels is None else self._labels[sent(self._order.at(images_seen), device)],
            self._augmentation(FAKE_STREAM, first),
            None if noise is None else noise[1],
            self._share(first) if self._candidate.penalty == "gp" else None,
        )

    def _noise(self, images_seen: int) -> Tensor | None:
        """float32 (2, N, C, H, W); drawn for the whole batch, for it is not drawn row by row."""
        shape = (self._order.batch_size, *self._spec.image_shape)
        noise = instance_noise(self._candidate, self._seed, images_seen, self._total, shape, self._device)
        return None if noise is None else noise[:, self._rows.start : self._rows.stop]

    def _augmentation(self, stream: int, first: int) -> Augmentation | None:
        changes = drawn(self._candidate.augment, self._seed, stream, first, len(self._rows))
        return changes and Augmentation(changes.kinds, sent(changes.draws, self._device))

    def _share(self, first: int) -> Tensor:
        return sent(uniforms(self._seed, SHARE_STREAM, first, len(self._rows), 1), self._device)[:, :, None, None]
