"""MiFID (Bai et al. 2021): the Fréchet distance, made worse for generators that lie on the training images.

MiFID = FD / d where d < τ, else FD, with d the mean over *generated* images of the least cosine distance to a training
image. Over training images instead, a generator that copies a tenth of them and nothing else would go unpunished.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ganops.evaluation.conventions import MIFID_THRESHOLD
from ganops.evaluation.distances import inner_products
from ganops.evaluation.estimate import Estimate
from ganops.evaluation.feature_stats import Features, checked, same_width


@final
@dataclass(frozen=True, eq=False)
class NearestTraining:
    """distance: float64 (n,), 1 - |cos| of each generated image and its nearest training image."""

    distance: Tensor

    @staticmethod
    def of(generated: Features, train: Features) -> NearestTraining:
        """Of generated (n, d) among train (t, d)."""
        x, y = _directions(generated), _directions(train)
        same_width(x.shape[1], y.shape[1])
        distance = torch.empty(len(x), dtype=torch.float64)
        for rows, block in inner_products(x, y):
            distance[rows] = (1 - block.abs_().amax(1)).clamp(min=0)
        return NearestTraining(distance)

    @property
    def mean(self) -> float:
        return self.distance.mean().item()


def mifid(plain: Estimate, nearest: NearestTraining) -> Estimate:
    """`plain` is the Fréchet distance of the same generated images, with influences; a perfect copier's is infinite.

    The training images are taken as given. Where d is measured on the first images alone, its own influence is left
    to those and scaled to all.
    """
    penalty = nearest.mean
    if penalty >= MIFID_THRESHOLD:
        return plain
    if penalty == 0:
        return Estimate(math.inf, plain.generated, plain.reference)
    own = plain.generated / penalty
    own = own - own.mean()
    measured = len(nearest.distance)
    slope = plain.value / penalty**2 * (len(own) / measured)
    own[:measured] -= slope * (nearest.distance.numpy() - penalty)
    return Estimate(plain.value / penalty, own, plain.reference / penalty)


def _directions(features: Features) -> Tensor:
    x = checked(features)
    directions: Tensor = x / x.norm(dim=1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    return directions
