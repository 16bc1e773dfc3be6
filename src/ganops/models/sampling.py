"""Images out of a generator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganops.models.families import Generator
from ganops.models.latents import latents


def to_uint8(images: Tensor) -> Tensor:
    """Float images in -1…1 (clipped when outside) to uint8 0-255, rounded to the nearest level."""
    return (images.float() * 127.5 + 127.5).round_().clamp_(0, 255).to(torch.uint8)


def generate(
    generator: Generator, count: int, seed: int, batch_size: int = 256, device: str | torch.device = "cpu"
) -> Iterator[Tensor]:
    """Batches of images_u8, uint8 (n, C, H, W) on the CPU, `count` images in all.

    Image i comes of vector i of `latents(seed, …)`, whatever the batch size (equal to float rounding).
    `generator`, which must lie on `device`, runs in evaluation mode and is left in the mode it was in.
    """
    was_training = generator.training
    generator.eval()
    try:
        for start in range(0, count, batch_size):
            z = latents(seed, min(batch_size, count - start), generator.spec.z_dim, start)
            with torch.inference_mode():
                images_u8 = to_uint8(generator(z.to(device))).contiguous().cpu()
            yield images_u8
    finally:
        generator.train(was_training)
