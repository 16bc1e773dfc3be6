"""The extractor `classifier`: trained on the train split's labels, then pinned.

The same images, labels and configuration give the same bytes, on one kind of machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganops.config import ReferenceConfig
from ganops.evaluation.extractors.extractor import to_float
from ganops.evaluation.extractors.network import ClassifierNetwork, ExtractorNetwork, Projection
from ganops.evaluation.threads import one_thread
from ganops.progress import Progress, silent

MIN_STEPS = 500
"""Small data is shown more often than `epochs`."""
PEAK_RATE, WEIGHT_DECAY, SMOOTHING = 3e-3, 1e-2, 0.05


def train_classifier(
    images_u8: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    num_classes: int,
    config: ReferenceConfig,
    progress: Progress = silent,
) -> ClassifierNetwork:
    """A classifier of images_u8 (N, C, H, W) by labels (N,) in 0…num_classes - 1, in evaluation mode.

    AdamW with a one-cycle rate (Smith & Topin 2019) and label smoothing; each batch is shifted by up to a
    sixteenth of its size, so that features do not hang on single pixels.
    """
    channels, height, width = images_u8.shape[1:]
    count, batch_size = len(images_u8), min(config.batch_size, len(images_u8))
    steps = max(config.epochs * (count // batch_size), MIN_STEPS)
    targets = torch.from_numpy(np.array(labels))
    with _seeded(config.seed):
        network = ClassifierNetwork((channels, height, width), config.features, num_classes).train()
        optimiser = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps, pct_start=0.2)
        for step, (rows, shift) in enumerate(_batches(count, batch_size, steps, max(height, width) // 16, config.seed)):
            images = _shifted(to_float(images_u8[rows]), shift)
            _, logits = network(images)
            loss = F.cross_entropy(logits, targets[torch.from_numpy(rows)], label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            progress(step + 1, steps, "training the extractor")
        network.eval().requires_grad_(False)
    return network


def project(network: ClassifierNetwork, images_u8: npt.NDArray[np.uint8], dimensions: int) -> ExtractorNetwork:
    """The classifier with a projection to `dimensions`, fitted to these images' features."""
    with one_thread(), torch.inference_mode():
        features = torch.cat([network(to_float(images_u8[i : i + 512]))[0] for i in range(0, len(images_u8), 512)])
    return ExtractorNetwork(network, Projection.fit(features, dimensions)).eval()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch's random numbers from `seed` in one thread; afterwards its state is as before."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _batches(
    count: int, batch_size: int, steps: int, reach: int, seed: int
) -> Iterator[tuple[npt.NDArray[np.int64], tuple[int, int]]]:
    """(sorted rows, shift of the batch) for each step; every epoch is a new shuffle."""
    random = np.random.Generator(np.random.Philox(key=[seed, 1]))
    order, position = random.permutation(count), 0
    for _ in range(steps):
        if position + batch_size > count:
            order, position = random.permutation(count), 0
        down, right = random.integers(-max(reach, 1), max(reach, 1), size=2, endpoint=True)
        yield np.sort(order[position : position + batch_size]), (int(down), int(right))
        position += batch_size


def _shifted(images: Tensor, shift: tuple[int, int]) -> Tensor:
    """Moved by whole pixels, the edge repeated."""
    down, right = shift
    padded = nn.functional.pad(images, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)), mode="replicate")
    top, left = max(-down, 0), max(-right, 0)
    return padded[..., top : top + images.shape[2], left : left + images.shape[3]]
