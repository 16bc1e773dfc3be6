"""What changes over a training, as functions of images_seen alone."""

from __future__ import annotations

import torch

WARM_UP_IMAGES = 5000


def learning_rate(peak: float, images_seen: int) -> float:
    """Rises linearly to `peak` over the first 5 kimg, then stays.

    Without this, networks without normalisation may die in Adam's first, undamped steps: at 28×28 and
    1e-3 the generator's tanh saturated for good.
    """
    return peak * min(1.0, (images_seen + 1) / WARM_UP_IMAGES)


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = value
