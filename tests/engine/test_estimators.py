"""How often intervals, tests and alarms are right, over many repeats."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from benchmarks.coverage import ALMOST_REAL, MIXED, NARROWER, SHIFTED, Population, coverage

from ganops.evaluation.fd_star import fd_star
from ganops.evaluation.memorisation import copies, memorisation
from ganops.evaluation.threads import one_thread

ONE_SIDED = 1.6448536269514722


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Matrices this small only wait for each other's threads."""
    with one_thread():
        yield


@pytest.mark.parametrize("population", [SHIFTED, NARROWER, MIXED], ids=lambda population: population.name)
def test_the_interval_holds_the_populations_distance_in_95_of_100(population: Population) -> None:
    """The 2,000 repeats of `python -m benchmarks.coverage`, to the same seeds."""
    found = coverage(population, dimensions=8, generated=1_000, reference=400, repeats=2_000)
    assert 0.93 <= found.covered <= 0.97
    assert abs(found.bias) < 0.1
    assert found.plain_bias > 0.3  # the plain distance is too large, and its interval misses more often
    assert found.plain_covered < found.covered


def test_next_to_no_distance_the_plain_interval_never_holds_it_and_that_of_fd_star_does() -> None:
    found = coverage(ALMOST_REAL, dimensions=8, generated=1_000, reference=400, repeats=300)
    assert found.plain_covered < 0.2
    assert found.covered > 0.9


def test_equal_models_of_different_shape_are_rarely_told_apart() -> None:
    """Two generators of equal true distance, one shifted, one narrower: a test at 5 % finds a winner in about 5 %."""
    repeats, wins = 200, 0
    shifted = Population("shifted", shift=math.sqrt(NARROWER.distance(8) / 8))
    assert shifted.distance(8) == pytest.approx(NARROWER.distance(8))
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        y = random.normal(size=(400, 8))
        one, other = (fd_star(population.draw(random, 1000, 8), y) for population in (shifted, NARROWER))
        gain = one.minus(other)
        wins += gain.value > ONE_SIDED * gain.standard_error
    assert wins / repeats <= 0.10


@pytest.mark.parametrize("alarm", [memorisation, lambda *sets: copies(*sets).share], ids=["memorisation", "copies"])
def test_an_honest_generator_is_seldom_suspected(alarm: object) -> None:
    alarms, repeats, figures = 0, 80, []
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        generated, train, held_out = (random.normal(size=(n, 6)) for n in (400, 300, 300))
        measured = alarm(generated, train, held_out).measurement  # type: ignore[operator]
        figures.append(measured.value)
        alarms += measured.value > ONE_SIDED * measured.standard_error
    assert abs(np.mean(figures)) < 0.02
    assert alarms / repeats <= 0.10
