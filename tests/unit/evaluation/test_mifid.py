from __future__ import annotations

import math

import numpy as np
import pytest

from ganops.evaluation.conventions import MIFID_THRESHOLD
from ganops.evaluation.estimate import Estimate
from ganops.evaluation.fd_star import frechet_estimates
from ganops.evaluation.frechet import frechet_distance_of
from ganops.evaluation.mifid import NearestTraining, mifid


def golden_case() -> tuple[np.ndarray, np.ndarray]:
    """(generated, train): the generator copies 40 of 400 training images and makes nothing else."""
    random = np.random.RandomState(5)
    train = abs(random.randn(400, 32))
    return np.concatenate([train[:40]] * 5) + 1e-3 * random.randn(200, 32), train


def test_golden_distance_and_the_penalty_that_it_means() -> None:
    generated, train = golden_case()
    nearest = NearestTraining.of(generated, train)
    assert nearest.mean == pytest.approx(5.469365e-07, rel=1e-6)
    assert frechet_distance_of(generated, train) == pytest.approx(2.8764101385, rel=1e-10)
    plain = frechet_estimates(generated, train).plain
    assert mifid(plain, nearest).value == pytest.approx(2.8764101385 / 5.469365e-07, rel=1e-6)


def test_the_wrong_direction_lets_a_copier_go_unpunished() -> None:
    """The mean over training images of the nearest generated one, as a widely used library has it."""
    generated, train = golden_case()
    wrong = NearestTraining.of(train, generated)
    assert wrong.mean == pytest.approx(0.191115, rel=1e-5)
    assert wrong.mean > MIFID_THRESHOLD > NearestTraining.of(generated, train).mean
    plain = frechet_estimates(generated, train).plain
    assert mifid(plain, wrong).value == plain.value


def test_a_generator_that_copies_exactly_is_infinitely_bad() -> None:
    plain = Estimate(1.0, np.arange(3.0), np.arange(4.0))
    assert mifid(plain, NearestTraining.of(np.eye(3), np.eye(3))).value == math.inf


def test_influences_are_the_derivative() -> None:
    random = np.random.default_rng(0)
    train = random.uniform(1, 2, (50, 4))
    x, y = random.uniform(1, 2, (400, 4)), random.uniform(1, 2.2, (300, 4))

    def value(generated: np.ndarray) -> float:
        plain = frechet_estimates(generated, y).plain
        return mifid(plain, NearestTraining.of(generated, train)).value

    found = mifid(frechet_estimates(x, y).plain, NearestTraining.of(x, train))
    assert found.value > frechet_distance_of(x, y)  # the penalty applies
    spread = found.generated.std()
    for index in (0, 17, 200):
        moved = value(np.vstack([x, x[index : index + 1]])) - found.value
        assert moved * 401 == pytest.approx(found.generated[index], abs=0.05 * spread)
