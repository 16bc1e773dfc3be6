from __future__ import annotations

import numpy as np
import pytest

from ganops.evaluation.classes import ClassRow, class_coverage, class_shares, class_table


def test_the_same_balance_is_one_and_no_common_class_is_zero() -> None:
    balanced = np.arange(400) % 4
    assert class_coverage(balanced, balanced, 4).value == 1.0
    assert class_coverage(np.zeros(10, np.int64), np.ones(10, np.int64), 2).value == 0.0


def test_a_dropped_class_costs_its_share() -> None:
    reference = np.arange(1000) % 10
    dropped = np.arange(900) % 9
    assert class_coverage(dropped, reference, 10).value == pytest.approx(0.9)


def test_standard_error_is_that_of_repeats() -> None:
    shares_made, shares_real = [0.4, 0.3, 0.2, 0.1], [0.25] * 4
    values, errors = [], []
    for seed in range(300):
        random = np.random.default_rng(seed)
        made, real = random.choice(4, 500, p=shares_made), random.choice(4, 300, p=shares_real)
        estimate = class_coverage(made, real, 4)
        values.append(estimate.value)
        errors.append(estimate.measurement.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def test_shares_name_every_class() -> None:
    np.testing.assert_allclose(class_shares(np.array([0, 0, 2]), 4), [2 / 3, 0, 1 / 3, 0])


def test_the_table_has_shares_and_coverage_of_every_class() -> None:
    made, real = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1, 1, 1, 1, 1])
    rows = class_table(made, real, np.array([True, False, True, False]), np.array([0, 0, 1, 1]), ("cat", "dog", "elk"))
    assert [row.name for row in rows] == ["cat", "dog", "elk"]
    assert [row.made.value for row in rows] == [0.75, 0.25, 0.0]
    assert [row.real.value for row in rows] == [0.25, 0.75, 0.0]
    assert rows[0].made.standard_error == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert [row.coverage.value if row.coverage else None for row in rows] == [0.5, 0.5, None]
    assert tuple(ClassRow.from_json(row.to_json()) for row in rows) == rows
