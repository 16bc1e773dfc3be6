from __future__ import annotations

import numpy as np
import pytest

from ganops.errors import ExtractorError, IncomparableReports
from ganops.evaluation import distances
from ganops.evaluation.kernel import KernelReference, kernel_distance, kid, kid_subsets


def test_golden_full_sample_value() -> None:
    random = np.random.RandomState(0)
    x, y = random.randn(512, 16), random.randn(500, 16) * 1.2 + 0.3
    assert kid(x, KernelReference.of(y)).value == pytest.approx(0.42864475477819886, rel=1e-12)


def test_golden_value_of_torch_fidelitys_subsets() -> None:
    random = np.random.RandomState(0)
    x, y = random.randn(512, 16), random.randn(500, 16) * 1.2 + 0.3
    whole = kid(x, KernelReference.of(y))
    found = kid_subsets(whole, x, y, subsets=100, size=200, seed=2020)
    assert found.value == pytest.approx(0.4321541808613338, rel=1e-10)
    assert found.measurement.standard_error > whole.measurement.standard_error  # the draw of subsets adds to it
    assert kid_subsets(whole, x, y, subsets=100, size=200, seed=2021).value != found.value


def test_subsets_of_everything_are_the_whole() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(80, 3)), random.normal(size=(80, 3)) + 0.3
    whole = kid(x, KernelReference.of(y))
    found = kid_subsets(whole, x, y, subsets=3)
    assert found.value == pytest.approx(whole.value)
    assert found.measurement.standard_error == pytest.approx(whole.measurement.standard_error)


def test_subsets_have_the_standard_error_of_repeats() -> None:
    values, errors = [], []
    for seed in range(150):
        random = np.random.default_rng(seed)
        x, y = random.normal(size=(150, 4)) + 0.4, random.normal(size=(150, 4))
        found = kid_subsets(kid(x, KernelReference.of(y)), x, y, subsets=5, size=50, seed=seed)
        values.append(found.value)
        errors.append(found.measurement.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_equal_distributions_are_zero_on_average_and_below_it_at_times() -> None:
    values = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        values.append(kid(random.normal(size=(60, 3)), KernelReference.of(random.normal(size=(60, 3)))).value)
    assert abs(np.mean(values)) < 3 * np.std(values) / 60**0.5
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize(("mean", "told"), [(0.0, True), (1e3, True), (1e8, False), (-1e8, False)])
def test_far_from_zero_what_may_be_rounding_is_no_figure(mean: float, told: bool) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(150, 6)) + mean, random.normal(size=(120, 6)) + mean
    reference = KernelReference.of(y)
    whole = kid(x, reference)
    for found in (whole, kid_subsets(whole, x, y, subsets=5, size=50), kernel_distance(x, reference)):
        assert found.measurement.finite is told
        assert found.reference.shape == (120,)  # or two models could not be compared
    shifted = kid(x + 1e8, reference)
    assert shifted.measurement.finite and shifted.value > 1e40  # nor is a large one left out for its size


def test_one_outlier_does_not_hide_the_figure() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(300, 6)) + 0.5, random.normal(size=(300, 6))
    y[0] *= 1000
    assert kid(x, KernelReference.of(y)).measurement.finite


def test_refuses_a_reference_that_is_one_image_and_features_of_another_width() -> None:
    with pytest.raises(ExtractorError, match="All 9 reference images"):
        KernelReference.of(np.ones((9, 3)))
    with pytest.raises(IncomparableReports, match="4 and 3"):
        kid(np.zeros((9, 4)), KernelReference.of(np.eye(9)[:, :3]))


def test_blocks_do_not_change_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(120, 4)), random.normal(size=(90, 4)) + 0.2
    whole = kid(x, KernelReference.of(y))
    monkeypatch.setattr(distances, "_BLOCK_ELEMENTS", 700)
    monkeypatch.setattr(distances, "_LEAST_ROWS", 1)
    in_blocks = kid(x, KernelReference.of(y))
    assert in_blocks.value == pytest.approx(whole.value, rel=1e-10)
    np.testing.assert_allclose(in_blocks.reference, whole.reference, rtol=1e-9)


def test_one_real_image_for_ever_is_about_one() -> None:
    y = np.random.default_rng(0).normal(size=(500, 6))
    reference = KernelReference.of(y)
    figures = [kernel_distance(np.repeat(y[i : i + 1], 50, axis=0), reference).value for i in range(100)]
    assert np.mean(figures) == pytest.approx(1.0, abs=0.1)


def test_the_difference_of_two_equal_models_has_its_standard_error() -> None:
    differences, errors = [], []
    for seed in range(80):
        random = np.random.default_rng(seed)
        reference = KernelReference.of(random.normal(size=(200, 5)))
        a, b = (kid(random.normal(size=(300, 5)) + 0.4, reference) for _ in range(2))
        measured = a.minus(b)
        differences.append(measured.value)
        errors.append(measured.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.25)
