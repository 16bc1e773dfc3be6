"""The extractor `pretext`: the classifier's network, trained on images without labels.

Its task is to know an image again: of a batch's images, each seen twice under chance shifts and erasures, it has to
find the two views of one (instance discrimination: Dosovitskiy et al. 2014; the loss is that of Chen et al. 2020,
eq. 1). Predicting rotations, the usual task, teaches nothing about textures, which look alike at any angle;
docs/extractors.md has the comparison. No view is blurred, made noisy or recoloured: the features would learn to
overlook what a generator does wrong.
"""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganops.config import ReferenceConfig
from ganops.evaluation.extractors.network import PretextNetwork
from ganops.evaluation.extractors.training import (
    Images,
    Rows,
    as_tensor,
    batches,
    divided,
    erased,
    fit,
    image_shape,
    length,
    redundancy,
    seeded,
    shifted,
)
from ganops.progress import Progress, silent

ERASED_SHARE = 0.5
SHARPNESS = 0.2
"""τ of the loss: the smaller, the more only the most similar images count."""
DECORRELATION = 0.1
"""Weight of the features' redundancy in the loss."""
AMONG = 128
"""Held-out images are to be found among so many."""
_EMBEDDED = 64


def train_pretext(
    images_u8: Images, settings: ReferenceConfig, progress: Progress = silent
) -> tuple[PretextNetwork, float]:
    """A network of images_u8 (N, C, H, W) in evaluation mode, and its held-out accuracy.

    That is the share of images of which one view is found by the other, among both views of `AMONG` images.
    """
    learnt, held_out = divided(images_u8)
    batch_size, steps = length(images_u8, learnt, settings, views=2)
    groups = [held_out[start : start + AMONG] for start in range(0, len(held_out), AMONG)]
    groups = [rows for rows in groups if len(rows) > 1]
    with seeded(settings.seed):
        task = _Recognition(PretextNetwork(image_shape(images_u8), settings.features))

        def loss(rows: Rows) -> Tensor:
            features, embedded = task(as_tensor(images_u8[rows]))
            return instance_loss(embedded) + DECORRELATION * redundancy(features)

        def held_out_loss() -> float:
            with seeded(settings.seed):  # the same views each time
                return float(np.mean([loss(rows).item() for rows in groups]))

        fit(task, loss, held_out_loss, batches(learnt, batch_size, settings.seed), steps, progress)
        with torch.inference_mode():
            found = [recognised(task(as_tensor(images_u8[rows]))[1]) for rows in groups]
    return task.network, float(torch.cat(found).double().mean())


@final
class _Recognition(nn.Module):
    """images (n, C, H, W) to (features (2n, width), unit vectors (2n, k)): of one view of each, then of another.

    The loss is taken after one more layer, so that the features themselves may keep what it does not ask for.
    """

    def __init__(self, network: PretextNetwork) -> None:
        super().__init__()
        self.network = network
        self.embed = nn.Sequential(nn.ReLU(), nn.Linear(network.width, _EMBEDDED))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, _ = self.network(torch.cat([view(images), view(images)]))
        return features, F.normalize(self.embed(features))


def view(images: Tensor) -> Tensor:
    """images (N, C, H, W) as they may be seen: moved by up to an eighth, half of them with a square erased."""
    reach = max(1, max(images.shape[2:]) // 8)
    return erased(shifted(images, reach), ERASED_SHARE)


def instance_loss(embedded: Tensor) -> Tensor:
    """Mean cross entropy of finding, for each of the unit vectors (2n, k), the other view of its image."""
    return F.cross_entropy(_similarities(embedded) / SHARPNESS, _partners(embedded))


def recognised(embedded: Tensor) -> Tensor:
    """bool (2n,): whether the most similar vector is the other view of the same image."""
    return _similarities(embedded).argmax(1) == _partners(embedded)


def _similarities(embedded: Tensor) -> Tensor:
    """Cosines (2n, 2n), of a vector with itself -inf."""
    return (embedded @ embedded.T).fill_diagonal_(-torch.inf)


def _partners(embedded: Tensor) -> Tensor:
    count = len(embedded) // 2
    return torch.arange(2 * count).roll(count)
