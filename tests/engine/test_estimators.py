"""How often intervals, tests and alarms are right, over many repeats."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from ganops.evaluation.fd_star import fd_star
from ganops.evaluation.frechet import frechet_distance_of
from ganops.evaluation.memorisation import memorisation
from ganops.evaluation.threads import one_thread

SHIFT, SCALE = 0.5, 0.65
TRUE_DISTANCE = {"shifted": 8 * SHIFT**2, "narrower": 8 * (1 - SCALE) ** 2}
"""From eight independent standard normal dimensions."""


def _draw(random: np.random.Generator, kind: str, count: int) -> np.ndarray:
    x = random.normal(size=(count, 8))
    return x + SHIFT if kind == "shifted" else x * SCALE


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Matrices this small only wait for each other's threads."""
    with one_thread():
        yield


@pytest.mark.parametrize("kind", ["shifted", "narrower"])
def test_the_interval_holds_the_true_distance_in_95_of_100(kind: str) -> None:
    truth, repeats, inside, plain_inside = TRUE_DISTANCE[kind], 200, 0, 0
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        x, y = _draw(random, kind, 1000), random.normal(size=(400, 8))
        measured = fd_star(x, y).measurement
        inside += measured.low <= truth <= measured.high
        plain_inside += abs(frechet_distance_of(x, y) - truth) <= 1.96 * measured.standard_error
    assert 0.90 <= inside / repeats <= 0.98
    assert plain_inside < inside  # the plain distance is biased


def test_equal_models_of_different_shape_are_rarely_told_apart() -> None:
    """Two generators of equal true distance, one shifted, one narrower: a test at 5 % finds a winner in about 5 %."""
    repeats, wins = 200, 0
    shift = math.sqrt(TRUE_DISTANCE["narrower"] / 8)
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        y = random.normal(size=(400, 8))
        shifted, narrower = random.normal(size=(1000, 8)) + shift, _draw(random, "narrower", 1000)
        gain = fd_star(shifted, y).minus(fd_star(narrower, y))
        wins += gain.value > 1.645 * gain.standard_error
    assert wins / repeats <= 0.10


def test_an_honest_generator_is_seldom_suspected() -> None:
    alarms, repeats, figures = 0, 40, []
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        generated, train, held_out = (random.normal(size=(n, 6)) for n in (400, 150, 150))
        measured = memorisation(generated, train, held_out).measurement
        figures.append(measured.value)
        alarms += measured.value > 1.645 * measured.standard_error
    assert abs(np.mean(figures)) < 0.03
    assert alarms / repeats <= 0.10
