from __future__ import annotations

import math

import numpy as np
import pytest

from ganops.errors import ExtractorError, IncomparableReports, TooFewImages
from ganops.evaluation import distances
from ganops.evaluation.manifold import ManifoldReference, manifold, repeated_rows


def _case_a() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(0)
    return random.randn(512, 16), random.randn(500, 16) * 1.2 + 0.3


@pytest.mark.parametrize("block_elements", [2**21, 3000])
def test_golden_values(monkeypatch: pytest.MonkeyPatch, block_elements: int) -> None:
    monkeypatch.setattr(distances, "_BLOCK_ELEMENTS", block_elements)
    monkeypatch.setattr(distances, "_LEAST_ROWS", 1)
    reference, generated = _case_a()
    found = manifold(generated, ManifoldReference.of(reference))
    assert found.precision.value == pytest.approx(0.572)
    assert found.recall.value == pytest.approx(0.9609375)
    assert found.density.value == pytest.approx(0.3688)
    assert found.coverage.value == pytest.approx(0.693359375)


def test_equal_distributions_have_density_one_and_their_expected_coverage() -> None:
    n, k, repeats = 200, 3, 40
    density, coverage = [], []
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        found = manifold(random.normal(size=(n, 8)), ManifoldReference.of(random.normal(size=(n, 8)), k), k)
        density.append(found.density.value)
        coverage.append(found.coverage.value)
    expected = 1 - np.prod([(n - 1 - i) / (2 * n - 1 - i) for i in range(k)])
    assert np.mean(density) == pytest.approx(1.0, abs=3 * np.std(density) / repeats**0.5)
    assert np.mean(coverage) == pytest.approx(expected, abs=3 * np.std(coverage) / repeats**0.5)
    assert np.std(coverage) < 0.03  # or the line above would say nothing


def test_a_dropped_mode_costs_coverage_and_recall() -> None:
    random = np.random.default_rng(0)
    reference = np.concatenate([random.normal(size=(200, 4)), random.normal(size=(200, 4)) + 30])
    found = manifold(random.normal(size=(400, 4)), ManifoldReference.of(reference))
    assert found.coverage.value == pytest.approx(0.5, abs=0.03)
    assert found.recall.value <= 0.5
    assert found.precision.value > 0.9


def test_difference_of_coverage_is_paired() -> None:
    random = np.random.default_rng(0)
    reference = ManifoldReference.of(random.normal(size=(300, 4)))
    same = random.normal(size=(300, 4)) * 0.5
    a, b = manifold(same, reference).coverage, manifold(same.copy(), reference).coverage
    assert a.measurement.standard_error > 0
    assert (a.minus(b).value, a.minus(b).standard_error) == (0.0, 0.0)


def test_a_single_image_for_ever_is_measured() -> None:
    reference = ManifoldReference.of(np.random.default_rng(0).normal(size=(50, 3)))
    assert manifold(np.zeros((40, 3)), reference).recall.value == 0.0


def test_a_reference_of_repeated_images_measures_nothing() -> None:
    """Balls among more than k equals have no radius: identical sets had a precision, recall and coverage of 0."""
    some = np.random.default_rng(0).normal(size=(10, 3))
    whole = np.repeat(some, 8, axis=0)
    reference = ManifoldReference.of(whole)
    found, other = manifold(whole, reference), manifold(whole[::2] + 1, reference)
    for name in ("precision", "recall", "density", "coverage"):
        assert math.isnan(getattr(found, name).value)
        assert math.isnan(getattr(found, name).minus(getattr(other, name)).standard_error)
    assert found.covered is None
    few = np.repeat(some, 5, axis=0)  # each has four equals, and its fifth neighbour is another
    assert manifold(few, ManifoldReference.of(few)).coverage.value == 1.0


def test_repeated_rows_are_those_with_k_equals() -> None:
    rows = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 1.0], [2.0, 1.0], [2.0, 1.0]])
    assert repeated_rows(rows, 2).tolist() == [True, True, True, False, False]


def test_too_few_neighbours() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(TooFewImages, match="5 nearest"):
        ManifoldReference.of(random.normal(size=(5, 3)))
    reference = ManifoldReference.of(random.normal(size=(50, 3)))
    with pytest.raises(TooFewImages, match="at least 12"):
        manifold(random.normal(size=(11, 3)), reference)


def test_refuses_a_reference_that_is_one_image_and_features_of_another_width() -> None:
    with pytest.raises(ExtractorError, match="All 50 reference images"):
        ManifoldReference.of(np.ones((50, 3)))
    reference = ManifoldReference.of(np.random.default_rng(0).normal(size=(50, 3)))
    with pytest.raises(IncomparableReports, match="4 and 3"):
        manifold(np.zeros((50, 4)), reference)


def test_says_which_reference_images_are_covered() -> None:
    random = np.random.default_rng(0)
    reference = np.concatenate([random.normal(size=(100, 4)), random.normal(size=(100, 4)) + 30])
    covered = manifold(random.normal(size=(200, 4)), ManifoldReference.of(reference)).covered
    assert covered[:100].mean() > 0.9
    assert not covered[100:].any()


def test_standard_errors_are_those_of_repeats_in_which_balls_are_drawn_anew() -> None:
    values, errors = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        reference = ManifoldReference.of(random.normal(size=(200, 6)))
        found = manifold(random.normal(size=(300, 6)) * 0.85 + 0.3, reference)
        estimates = (found.precision, found.recall, found.density, found.coverage)
        values.append([estimate.value for estimate in estimates])
        errors.append([estimate.measurement.standard_error for estimate in estimates])
    ratios = np.mean(errors, axis=0) / np.std(values, axis=0)
    assert (ratios > 0.75).all()
    assert (ratios < 1.4).all()
