from __future__ import annotations

import torch

from ganops.training.schedules import WARM_UP_IMAGES, learning_rate, set_learning_rate


def test_the_learning_rate_rises_to_its_peak_and_stays() -> None:
    rates = [learning_rate(1e-3, seen) for seen in range(0, 2 * WARM_UP_IMAGES, 64)]
    assert 0 < rates[0] < 1e-6
    assert rates == sorted(rates)
    assert rates[-1] == learning_rate(1e-3, WARM_UP_IMAGES) == 1e-3


def test_every_parameter_group_gets_it() -> None:
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0)
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] == 0.25
