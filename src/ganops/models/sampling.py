"""Images out of a generator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganops.models.latents import class_labels, latents
from ganops.models.networks import Generator
from ganops.models.spec import ModelSpec

_PIXELS_AT_ONCE = 2**20
"""A pass makes no more than that: 64 channels of it are 256 MB."""


def to_uint8(images: Tensor) -> Tensor:
    """Float images in -1…1 (clipped when outside) to uint8 0-255, rounded to the nearest level."""
    return (images.float() * 127.5 + 127.5).round_().clamp_(0, 255).to(torch.uint8)


def labels_for(spec: ModelSpec, seed: int, count: int, start: int = 0, label: int | None = None) -> Tensor | None:
    """Labels of images `start` … `start + count - 1` of `seed`, int64 (count,): all `label`, or drawn by the classes'
    shares. None for an unconditional spec, which takes no label."""
    assert label is None or 0 <= label < spec.num_classes, label
    if not spec.class_shares:
        return None
    if label is not None:
        return torch.full((count,), label)
    return class_labels(seed, count, spec.class_shares, start)


def images_of(generator: Generator, z: Tensor, labels: Tensor | None) -> Tensor:
    """images_u8, uint8 (N, C, H, W) on the CPU, of vectors z (N, z_dim) on the generator's device and labels, int64
    (N,), from `labels_for`; in as many passes as their pixels need."""
    _, height, width = generator.spec.image_shape
    at_once = max(1, _PIXELS_AT_ONCE // (height * width))
    parts = []
    with torch.inference_mode():
        for first in range(0, len(z), at_once):
            part = slice(first, first + at_once)
            images = generator(z[part], None if labels is None else labels[part].to(z.device))
            parts.append(to_uint8(images).contiguous().cpu())
        return torch.cat(parts)


def images_by_class(generator: Generator, about: int, seed: int, device: str | torch.device = "cpu") -> Tensor:
    """images_u8, uint8 (N, C, H, W) on the CPU, class after class of those that occur, of the same vectors for each.

    As many of each class, at least one, as come nearest to `about` in all. An unconditional generator makes `about`.
    """
    classes: list[int] | list[None] = generator.spec.occurring_classes or [None]
    each = max(1, round(about / len(classes)))
    return torch.cat([next(generate(generator, each, seed, each, device, label)) for label in classes])


def generate(
    generator: Generator,
    count: int,
    seed: int,
    batch_size: int = 256,
    device: str | torch.device = "cpu",
    label: int | None = None,
) -> Iterator[Tensor]:
    """Batches of images_u8, uint8 (n, C, H, W) on the CPU, `count` images in all.

    Image i comes of vector i of `latents(seed, …)`, whatever the batch size (equal to float rounding), and,
    where the generator is conditional, of label i of `class_labels(seed, …)`, or of `label` throughout.
    `generator`, which must lie on `device`, runs in evaluation mode and is left in the mode it was in.
    """
    spec = generator.spec
    was_training = generator.training
    generator.eval()
    try:
        for start in range(0, count, batch_size):
            size = min(batch_size, count - start)
            z = latents(seed, size, spec.z_dim, start)
            yield images_of(generator, z.to(device), labels_for(spec, seed, size, start, label))
    finally:
        generator.train(was_training)
