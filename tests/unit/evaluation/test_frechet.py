from __future__ import annotations

import math

import numpy as np
import pytest

from ganops.errors import ExtractorError
from ganops.evaluation.fd_star import fd_star
from ganops.evaluation.feature_stats import FeatureStats
from ganops.evaluation.frechet import frechet_distance, frechet_distance_of


def test_golden_case_a() -> None:
    random = np.random.RandomState(0)
    x, y = random.randn(512, 16), random.randn(500, 16) * 1.2 + 0.3
    assert frechet_distance_of(x, y) == pytest.approx(2.659551866151652, abs=1e-12)


def test_golden_case_b_has_fewer_samples_than_dimensions() -> None:
    random = np.random.RandomState(1)
    x, y = random.randn(64, 128), random.randn(64, 128) + 0.1
    assert frechet_distance_of(x, y) == pytest.approx(115.65602, abs=5e-6)
    by_covariances = frechet_distance(FeatureStats.from_features(x), FeatureStats.from_features(y))
    assert by_covariances == pytest.approx(115.65602, abs=5e-6)


def test_golden_case_c_with_covariances_that_do_not_commute() -> None:
    random = np.random.RandomState(2)
    mix = random.randn(64, 64) / 8
    x, y = random.randn(4000, 64) @ mix, random.randn(4000, 64) @ mix.T + 0.05
    assert frechet_distance_of(x, y) == pytest.approx(34.0211706906056, abs=1e-10)


def test_golden_shift_of_one_in_every_dimension() -> None:
    d = 256  # the golden value is for 2048, and is the number of dimensions
    zero, one = (FeatureStats(np.full(d, value), np.eye(d), 10_000) for value in (0.0, 1.0))
    assert frechet_distance(zero, one) == pytest.approx(d, rel=1e-12)


def test_shifted_and_scaled_gaussians_have_their_closed_form() -> None:
    mu, scale = np.array([1.0, -2.0, 0.5]), np.array([1.0, 4.0, 9.0])
    a, b = FeatureStats(np.zeros(3), np.eye(3), 100), FeatureStats(mu, np.diag(scale), 100)
    assert frechet_distance(a, b) == pytest.approx(np.square(mu).sum() + np.square(np.sqrt(scale) - 1).sum())


def test_is_symmetric_and_zero_for_itself() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(200, 5)), random.normal(size=(300, 5)) * 2
    assert frechet_distance_of(x, y) == pytest.approx(frechet_distance_of(y, x), rel=1e-10)
    assert frechet_distance_of(x, x) == pytest.approx(0.0, abs=1e-10)


def test_collapsed_generator_stays_finite() -> None:
    random = np.random.default_rng(0)
    y = random.normal(size=(400, 6))
    collapsed = np.repeat(random.normal(size=(1, 6)), 300, axis=0)
    estimate = fd_star(collapsed, y)
    expected = np.square(collapsed[0] - y.mean(0)).sum() + np.cov(y.T).trace()
    assert frechet_distance_of(collapsed, y) == pytest.approx(expected)
    assert estimate.measurement.finite
    assert estimate.measurement.standard_error > 0


@pytest.mark.parametrize("batch_size", [7, 100, 1000])
def test_statistics_do_not_depend_on_the_batches(batch_size: int) -> None:
    x = np.random.default_rng(0).normal(size=(707, 9)) * 3 + 100
    whole = FeatureStats.from_features(x)
    merged = FeatureStats.from_batches(x[i : i + batch_size] for i in range(0, len(x), batch_size))
    assert merged.num_images == 707
    np.testing.assert_allclose(merged.mu, whole.mu, rtol=1e-12)
    np.testing.assert_allclose(merged.sigma, whole.sigma, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_refuses_features_that_are_no_numbers(bad: float) -> None:
    x = np.zeros((10, 2))
    x[3, 1] = bad
    with pytest.raises(ExtractorError, match="not a finite number"):
        FeatureStats.from_features(x)


def test_refuses_a_single_image() -> None:
    with pytest.raises(ExtractorError, match="at least two"):
        FeatureStats.from_features(np.zeros((1, 2)))


def test_influences_are_the_derivative() -> None:
    """Repeating one sample moves the distance by its influence / n, to first order."""
    random = np.random.default_rng(3)
    x, y = random.normal(size=(400, 4)) * 0.7 + 0.3, random.normal(size=(300, 4))
    estimate = fd_star(x, y)
    before = frechet_distance_of(x, y)
    for index in (0, 17, 200):
        moved_x = frechet_distance_of(np.vstack([x, x[index : index + 1]]), y) - before
        assert moved_x * 401 == pytest.approx(estimate.generated[index], abs=0.1)
        moved_y = frechet_distance_of(x, np.vstack([y, y[index : index + 1]])) - before
        assert moved_y * 301 == pytest.approx(estimate.reference[index], abs=0.1)
