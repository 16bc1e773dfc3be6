"""The extractor `classifier`: trained on labels, stopped early, calibrated, then pinned."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from ganops.config import ReferenceConfig
from ganops.evaluation.extractors.network import ClassifierNetwork
from ganops.evaluation.extractors.training import (
    Images,
    Rows,
    as_tensor,
    batches,
    divided,
    erased,
    fit,
    length,
    redundancy,
    seeded,
    shifted,
)
from ganops.progress import Progress, silent

SMOOTHING, ERASED_SHARE = 0.05, 0.25
DECORRELATION = 0.01
"""Weight of the features' redundancy in the loss. Five times as much costs accuracy; none leaves a few directions with
most of the variance."""


def train_classifier(
    images_u8: Images,
    labels: npt.NDArray[np.int64],
    num_classes: int,
    config: ReferenceConfig,
    progress: Progress = silent,
) -> ClassifierNetwork:
    """A classifier of images_u8 (N, C, H, W) by labels (N,) in 0…num_classes - 1, in evaluation mode.

    Label smoothing (Szegedy et al. 2015), and a little of the features' redundancy in the loss. Each image is shifted
    by up to a sixteenth of its size and loses a square of a quarter of it every other time. A tenth of the images, at
    most 2,000, chosen by hash, is not learnt from: it says when to stop, and which temperature makes the
    probabilities right (Guo et al. 2017).
    """
    channels, height, width = images_u8.shape[1:]
    learnt, held_out = divided(images_u8)
    batch_size, steps = length(images_u8, learnt, config)
    targets, reach = torch.from_numpy(np.array(labels)), max(1, max(height, width) // 16)
    with seeded(config.seed):
        network = ClassifierNetwork((channels, height, width), config.features, num_classes)

        def loss(rows: Rows) -> Tensor:
            features, logits = network(erased(shifted(as_tensor(images_u8[rows]), reach), ERASED_SHARE))
            wrong = F.cross_entropy(logits, targets[torch.from_numpy(rows)], label_smoothing=SMOOTHING)
            return wrong + DECORRELATION * redundancy(features)

        def held_out_logits() -> Tensor:
            parts = [held_out[start : start + 512] for start in range(0, len(held_out), 512)]
            return torch.cat([network(as_tensor(images_u8[part]))[1] for part in parts])

        judged = targets[torch.from_numpy(held_out)]
        fit(
            network,
            loss,
            lambda: F.cross_entropy(held_out_logits(), judged, label_smoothing=SMOOTHING).item(),
            batches(learnt, batch_size, config.seed),
            steps,
            progress,
        )
        with torch.inference_mode():
            network.temperature.fill_(temperature(held_out_logits(), judged))
    return network


def temperature(logits: Tensor, labels: Tensor) -> float:
    """T > 0 that minimises the cross entropy of logits (N, K) / T (Guo et al. 2017), within 1/20 … 20.

    The loss is convex in 1/T, whose derivative, the mean of (expected logit - the label's logit), is bisected.
    """
    scores = logits.double()
    of_label = scores.gather(1, labels[:, None]).squeeze(1)
    low, high = math.log(1 / 20), math.log(20.0)
    for _ in range(60):
        middle = (low + high) / 2
        slope = (((math.exp(middle) * scores).softmax(1) * scores).sum(1) - of_label).mean().item()
        low, high = (middle, high) if slope < 0 else (low, middle)
    return math.exp(-(low + high) / 2)
