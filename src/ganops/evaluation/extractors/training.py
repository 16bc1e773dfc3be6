"""How the extractors that learn are trained: what classifier and pretext have in common.

The same images and configuration give the same bytes, on one kind of machine.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganops.config import ReferenceConfig
from ganops.errors import TooFewImages
from ganops.evaluation.threads import one_thread
from ganops.progress import Progress

MIN_STEPS = 500
"""Small data is shown more often than `epochs`."""
MOST_PIXELS, LEAST_BATCH = 2**22, 16
"""Of a step, which bounds its memory: 64 images of 256x256."""
PEAK_RATE, WEIGHT_DECAY = 4e-3, 1e-2
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 2000
LEAST_IMAGES = 20
ROUNDS, PATIENCE = 10, 3
"""The held-out loss is looked at so many times, and training ends when it has not fallen so often in a row."""

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


def divided(images_u8: Images) -> tuple[Rows, Rows]:
    """(rows to learn from, rows held out), each ascending: those of the least sha256 are held out.

    Equal images fall on one side, and what is held out does not depend on the order of the images.

    Raises:
        TooFewImages: there are not `LEAST_IMAGES`.
    """
    count = len(images_u8)
    if count < LEAST_IMAGES:
        raise TooFewImages(
            f"An extractor cannot be trained on {count} images, of which some have to be held out: at least "
            f"{LEAST_IMAGES} are needed. Add images, or choose an extractor that is not trained (inception, custom)."
        )
    held_out = min(round(HELD_OUT_SHARE * count), HELD_OUT_MOST)
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images_u8]
    order = sorted(range(count), key=digests.__getitem__)
    return np.sort(np.array(order[held_out:], np.int64)), np.sort(np.array(order[:held_out], np.int64))


def length(images_u8: Images, learnt: Rows, settings: ReferenceConfig, views: int = 1) -> tuple[int, int]:
    """(images a step, steps) of a training on the images of these rows, each of which a step looks at so often."""
    fit_in_memory = max(LEAST_BATCH, MOST_PIXELS // (views * images_u8.shape[2] * images_u8.shape[3]))
    batch_size = min(settings.batch_size, fit_in_memory, len(learnt))
    return batch_size, max(settings.epochs * (len(learnt) // batch_size) // views, MIN_STEPS)


def batches(rows: Rows, batch_size: int, seed: int) -> Iterator[Rows]:
    """Rows, ascending, of each batch, without end; every epoch is a new shuffle."""
    random = np.random.Generator(np.random.Philox(key=[seed, 1]))
    while True:
        order = random.permutation(rows)
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            yield np.sort(order[start : start + batch_size])


def fit(
    network: nn.Module,
    loss: Callable[[Rows], Tensor],
    held_out_loss: Callable[[], float],
    shown: Iterator[Rows],
    steps: int,
    progress: Progress,
) -> None:
    """Train in place, to the weights of the least held-out loss.

    AdamW with a one-cycle rate (Smith & Topin 2019). loss: of the images in these rows, of a training network;
    held_out_loss: of the network in evaluation mode.
    """
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps, pct_start=0.2)
    best = _Best(network)
    every = max(1, steps // ROUNDS)
    for step, rows in enumerate(itertools.islice(shown, steps), start=1):
        value = loss(rows)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        progress(step, steps, "training the extractor")
        if step % every == 0 or step == steps:
            network.eval()
            with torch.inference_mode():
                best.offer(held_out_loss())
            network.train()
            if best.rounds_since >= PATIENCE:
                break
    best.restore()
    network.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)  # type: ignore[call-overload]


@final
class _Best:
    """The weights of the least loss so far."""

    def __init__(self, network: nn.Module) -> None:
        self._network, self._loss, self.rounds_since = network, float("inf"), 0
        self._state = self._copied()

    def offer(self, loss: float) -> None:
        self.rounds_since += 1
        if loss < self._loss:
            self._loss, self._state, self.rounds_since = loss, self._copied(), 0

    def restore(self) -> None:
        self._network.load_state_dict(self._state)

    def _copied(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self._network.state_dict().items()}


def redundancy(features: Tensor) -> Tensor:
    """Sum of the squared correlations between different features (n, width), per feature (Bardes et al. 2022, eq. 4).

    Without it, a few directions would hold nearly all variance, and a Fréchet distance would look at nothing else.
    """
    centred = features - features.mean(0)
    unit = centred / centred.square().sum(0).sqrt().clamp(min=1e-6)
    correlations = unit.T @ unit
    return (correlations.square().sum() - correlations.diagonal().square().sum()) / features.shape[1]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's random numbers from `seed` in one thread; afterwards its state is as before."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def image_shape(images_u8: Images) -> tuple[int, int, int]:
    """(C, H, W) of each of images_u8 (N, C, H, W)."""
    channels, height, width = (int(side) for side in images_u8.shape[1:])
    return channels, height, width


def as_tensor(images_u8: Images) -> Tensor:
    """A copy, float32 of 0-255, in channels_last, which trains faster."""
    return torch.from_numpy(np.array(images_u8)).float().contiguous(memory_format=torch.channels_last)


def shifted(images: Tensor, reach: int) -> Tensor:
    """Each image (N, C, H, W) moved by up to `reach` whole pixels either way, the edge repeated."""
    count, channels, height, width = images.shape
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    down, right = torch.randint(0, 2 * reach + 1, (2, count, 1))
    image = torch.arange(count).view(-1, 1, 1)
    rows, columns = (down + torch.arange(height)).unsqueeze(2), (right + torch.arange(width)).unsqueeze(1)
    # the indexed dimensions come out beside each other: NHWC, which is channels_last
    moved: Tensor = padded.permute(0, 2, 3, 1)[image, rows, columns].permute(0, 3, 1, 2)
    assert moved.shape == (count, channels, height, width)
    return moved


def erased(images: Tensor, share: float) -> Tensor:
    """Half of the images (N, C, H, W) with a square of `share` of their shorter side turned to their mean.

    As cutout (DeVries & Taylor 2017), so that features do not hang on one place.
    """
    count, _, height, width = images.shape
    half = share * min(height, width) / 2
    top, left = torch.rand(count, 1) * height, torch.rand(count, 1) * width
    inside_rows = (torch.arange(height) + 0.5 - top).abs() <= half
    inside_columns = (torch.arange(width) + 0.5 - left).abs() <= half
    chosen = (torch.rand(count) < 0.5).view(-1, 1, 1)
    mask = (inside_rows.unsqueeze(2) & inside_columns.unsqueeze(1) & chosen).unsqueeze(1)
    return torch.where(mask, images.mean((2, 3), keepdim=True), images)
