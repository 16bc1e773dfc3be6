"""Images out of a generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ganops.errors import SnapshotError
from ganops.models.latents import class_labels, latents
from ganops.models.networks import Generator
from ganops.models.spec import ModelSpec

_PIXELS_AT_ONCE = 2**20
"""A pass makes no more than that: 64 channels of it are 256 MB."""


def to_uint8(images: Tensor) -> Tensor:
    """Float images in -1…1 (clipped when outside) to uint8 0-255, rounded to the nearest level.

    Raises:
        SnapshotError: one is not finite; a GPU is waited for to know.
    """
    if not torch.isfinite(images).all():  # what a cast makes of NaN looks like an image
        raise SnapshotError(
            "The generator makes images that are not finite numbers: its weights are too large, by a training that "
            "diverged or because they were changed. Restore its snapshot, or train again."
        )
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
    return torch.cat([part.cpu() for part in _passes(generator, z, labels)])


def images_from(generator: Generator, seed: int, start: int, count: int, label: int | None = None) -> Tensor:
    """Images `start` … `start + count - 1` of `generate`, uint8 (count, C, H, W), on the generator's device, which
    they do not leave; `generator` must be in evaluation mode."""
    assert not generator.training
    z = latents(seed, count, generator.spec.z_dim, start).to(next(generator.parameters()).device)
    return torch.cat(list(_passes(generator, z, labels_for(generator.spec, seed, count, start, label))))


def _passes(generator: Generator, z: Tensor, labels: Tensor | None) -> Iterator[Tensor]:
    _, height, width = generator.spec.image_shape
    at_once = max(1, _PIXELS_AT_ONCE // (height * width))
    for first in range(0, len(z), at_once):
        part = slice(first, first + at_once)
        with torch.inference_mode():
            images_u8 = to_uint8(generator(z[part], None if labels is None else labels[part].to(z.device)))
        yield images_u8.contiguous()


@contextmanager
def evaluating(generator: Generator) -> Iterator[None]:
    """In evaluation mode within the block, and then in the mode it was in."""
    was_training = generator.training
    generator.eval()
    try:
        yield
    finally:
        generator.train(was_training)


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
    with evaluating(generator):
        for start in range(0, count, batch_size):
            size = min(batch_size, count - start)
            z = latents(seed, size, spec.z_dim, start)
            yield images_of(generator, z.to(device), labels_for(spec, seed, size, start, label))
