"""What changes over a training, as functions of images_seen alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor

from ganops.config import CandidateConfig

Number = float | Tensor
"""A number; or a scalar on the device, which a recorded step reads anew each time that it is replayed."""


@final
@dataclass(frozen=True)
class Settings:
    """What one step is taken with."""

    generator_lr: float
    discriminator_lr: float
    betas: tuple[float, float]
    gamma: float
    ema_half_life_kimg: float


@final
@dataclass(frozen=True)
class Rates:
    """`Settings` as the step itself uses them. ema_share: of the generator in its average, see `ema.share_of`.

    On the device: float32 scalars, of an optimiser float64, from which it derives small differences.
    """

    generator_lr: Number
    discriminator_lr: Number
    betas: tuple[float, Number]
    gamma: Number
    ema_share: Number


def settings_at(candidate: CandidateConfig, images_seen: int, lr_scale: float = 1.0) -> Settings:
    """The settings after `images_seen` images.

    lr_scale: what rollbacks have left of the learning rates (`guard`).
    """
    end, burnt = candidate.burn_in, _burnt(candidate, images_seen)
    rate = lr_scale * warm_up(candidate.warm_up_kimg, images_seen)
    return Settings(
        generator_lr=_between(candidate.generator_lr, end.generator_lr, burnt) * rate,
        discriminator_lr=_between(candidate.discriminator_lr, end.discriminator_lr, burnt) * rate,
        betas=(candidate.betas[0], _between(candidate.betas[1], end.beta2, burnt)),
        gamma=_between(candidate.gamma, end.gamma, burnt),
        ema_half_life_kimg=_between(candidate.ema_half_life_kimg, end.ema_half_life_kimg, burnt),
    )


def warm_up(kimg: float, images_seen: int) -> float:
    """Share of the learning rate: rises linearly to 1 over the first `kimg`, then stays.

    Without this, networks without normalisation may die in Adam's first, undamped steps: at 28×28 and
    1e-3 the generator's tanh saturated for good.
    """
    return min(1.0, (images_seen + 1) / (1000 * kimg)) if kimg > 0 else 1.0


def _burnt(candidate: CandidateConfig, images_seen: int) -> float:
    """How much of the burn-in is over, 0 to 1: half a cosine (Huang et al. 2024, appendix)."""
    length = 1000 * candidate.burn_in.kimg
    return 0.5 - 0.5 * math.cos(math.pi * min(1.0, images_seen / length)) if length > 0 else 0.0


def _between(start: float, end: float | None, share: float) -> float:
    return start if end is None or share == 0.0 else start + (end - start) * share
