"""Candidates to begin with: `preset: NAME` in params.yaml puts one of these under the candidate's own keys.

Plain data. `-cpu` is sized for one core of two and a quarter of an hour, `-gpu` for one data-centre GPU. What was
measured and what was carried over from the papers is said in docs/training.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_Preset = Mapping[str, Any]


def _lite(gamma: float, width: int, kimg: float, **keys: Any) -> _Preset:
    """Relativistic, R1 and R2, no momentum, on the network that a CPU can pay for."""
    return {
        "family": "lite",
        "objective": "relativistic",
        "penalty": "r1_r2",
        "gamma": gamma,
        "instance_noise": 0.3,
        "generator_lr": 6e-4,
        "discriminator_lr": 3e-4,
        "betas": (0.0, 0.99),
        "width": width,
        "z_dim": 64,
        "ema_half_life_kimg": 5,
        "kimg": kimg,
        **keys,
    }


def _r3gan(gamma: float, width: int, kimg: float, **keys: Any) -> _Preset:
    """As its paper trains (Huang et al. 2024): γ falls to a tenth, the rates to a quarter, memory gets longer."""
    return {
        "family": "r3gan",
        "objective": "relativistic",
        "penalty": "r1_r2",
        "gamma": gamma,
        "generator_lr": 2e-4,
        "discriminator_lr": 2e-4,
        "betas": (0.0, 0.9),
        "burn_in": {
            "kimg": 0.4 * kimg,
            "generator_lr": 5e-5,
            "discriminator_lr": 5e-5,
            "gamma": gamma / 10,
            "beta2": 0.99,
            "ema_half_life_kimg": 500,
        },
        "width": width,
        "z_dim": 64,
        "ema_half_life_kimg": 0,
        "kimg": kimg,
        **keys,
    }


PRESETS: Mapping[str, _Preset] = {
    "digits-cpu": _lite(0.3, 32, 240, generator_lr=1e-3, ema_half_life_kimg=8),
    "digits-gpu": _r3gan(0.3, 32, 2_000, augment=("translation",)),
    "28x28-grey-cpu": _lite(
        1.0,
        16,
        900,
        burn_in={"kimg": 900.0, "generator_lr": 1e-4, "discriminator_lr": 5e-5, "ema_half_life_kimg": 20.0},
    ),
    "28x28-grey-gpu": _r3gan(1.0, 64, 10_000),
    "cifar-cpu": _lite(1.0, 24, 300),
    "cifar-gpu": _r3gan(0.05, 96, 50_000),
    "64x64-cpu": _lite(4.0, 16, 150),
    "64x64-gpu": _r3gan(2.0, 64, 25_000),
    "128x128-cpu": _lite(16.0, 8, 60),
    "128x128-gpu": _r3gan(16.0, 48, 25_000),
}
