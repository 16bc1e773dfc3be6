from __future__ import annotations

import numpy as np
import pytest

from ganops.evaluation import distances
from ganops.evaluation.kernel import KernelReference, kernel_distance, kid


def test_golden_full_sample_value() -> None:
    random = np.random.RandomState(0)
    x, y = random.randn(512, 16), random.randn(500, 16) * 1.2 + 0.3
    assert kid(x, KernelReference.of(y)).value == pytest.approx(0.42864475477819886, rel=1e-12)


def test_blocks_do_not_change_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(120, 4)), random.normal(size=(90, 4)) + 0.2
    whole = kid(x, KernelReference.of(y))
    monkeypatch.setattr(distances, "_BLOCK_ELEMENTS", 700)
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
