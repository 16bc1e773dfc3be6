from __future__ import annotations

from typing import Any

import pytest

from ganops.config import CandidateConfig
from ganops.training.schedules import settings_at, warm_up


def candidate(**keys: Any) -> CandidateConfig:
    return CandidateConfig.model_validate({"family": "lite", "objective": "relativistic", "gamma": 8.0} | keys)


def test_the_learning_rate_rises_to_its_peak_and_stays() -> None:
    rates = [settings_at(candidate(generator_lr=1e-3), seen).generator_lr for seen in range(0, 10_000, 64)]
    assert 0 < rates[0] < 1e-6
    assert rates == sorted(rates)
    assert rates[-1] == settings_at(candidate(generator_lr=1e-3), 5000).generator_lr == 1e-3
    assert warm_up(0.0, 0) == 1.0


def test_without_a_burn_in_nothing_changes() -> None:
    early, late = (settings_at(candidate(), seen) for seen in (5000, 10**7))
    assert early == late
    assert (late.gamma, late.betas) == (8.0, (0.5, 0.999))


def test_a_burn_in_ends_at_its_values_and_is_half_way_at_half_time() -> None:
    keys = {
        "betas": (0.0, 0.9),
        "ema_half_life_kimg": 0.0,
        "burn_in": {"kimg": 100, "generator_lr": 1e-4, "gamma": 2.0, "beta2": 0.99, "ema_half_life_kimg": 500},
        "warm_up_kimg": 0.0,
    }
    start, middle, end, after = (settings_at(candidate(**keys), seen) for seen in (0, 50_000, 100_000, 10**7))
    assert (start.gamma, start.betas, start.generator_lr) == (8.0, (0.0, 0.9), 1e-3)
    assert middle.gamma == pytest.approx(5.0)
    assert middle.generator_lr == pytest.approx(5.5e-4)
    assert end == after
    assert (end.gamma, end.ema_half_life_kimg) == (2.0, 500.0)
    assert end.betas == (0.0, pytest.approx(0.99))
    assert end.discriminator_lr == 1e-3
    gammas = [settings_at(candidate(**keys), seen).gamma for seen in range(0, 100_001, 5000)]
    assert gammas == sorted(gammas, reverse=True)
    assert gammas[0] - gammas[1] < gammas[10] - gammas[11]  # a cosine: slow, fast, slow


def test_rollbacks_scale_both_rates_alone() -> None:
    whole, halved = settings_at(candidate(), 10**6), settings_at(candidate(), 10**6, lr_scale=0.5)
    assert (halved.generator_lr, halved.discriminator_lr) == (whole.generator_lr / 2, whole.discriminator_lr / 2)
    assert (halved.gamma, halved.betas) == (whole.gamma, whole.betas)
