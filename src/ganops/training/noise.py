"""Instance noise: both players' images are blurred by the same noise while training is young."""

from __future__ import annotations

import torch
from torch import Tensor

from ganops.config import CandidateConfig
from ganops.training.draws import NOISE_STREAM, torch_seed


def instance_noise(
    candidate: CandidateConfig,
    seed: int,
    images_seen: int,
    total: int,
    shape: tuple[int, int, int, int],
    device: torch.device,
) -> Tensor | None:
    """Gaussian noise for real and generated images of `shape`, float32 (2, N, C, H, W), or None when there is none.

    Its standard deviation falls linearly from `candidate.instance_noise` to 0 at the end (Sønderby et al.
    2017, "Amortised MAP inference", section 3.2). It depends on (seed, images_seen) alone.
    """
    deviation = candidate.instance_noise * (1.0 - images_seen / total)
    if deviation <= 0.0:
        return None
    random = torch.Generator(device=device)
    random.manual_seed(torch_seed(seed, NOISE_STREAM, images_seen))
    return torch.randn((2, *shape), generator=random, device=device) * deviation
