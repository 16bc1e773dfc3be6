from __future__ import annotations

import math

import pytest

from ganops.evaluation.estimate import Z95, Measurement
from ganops.evaluation.intervals import shown_interval


@pytest.mark.parametrize(
    ("metric", "value", "error", "expected"),
    [
        ("recall", 0.99, 0.1, (0.99 - 0.1 * Z95, 1.0)),
        ("coverage", 0.01, 0.1, (0.0, 0.01 + 0.1 * Z95)),
        ("mifid", 1.0, 1.0, (0.0, 1.0 + Z95)),
        ("fd", 0.0, 0.0, (0.0, 0.0)),
        ("fd_star", -0.1, 0.1, (-0.1 - 0.1 * Z95, -0.1 + 0.1 * Z95)),
        ("memorisation", -1.0, 0.5, (-1.0, -1.0 + 0.5 * Z95)),
        ("class_coverage", 1.0 + 1e-12, 0.0, (1.0 + 1e-12, 1.0 + 1e-12)),
    ],
)
def test_what_is_shown_ends_where_the_metric_does(
    metric: str, value: float, error: float, expected: tuple[float, float]
) -> None:
    assert shown_interval(metric, Measurement(value, error)) == pytest.approx(expected)


def test_what_was_not_measured_has_no_interval() -> None:
    assert all(math.isnan(end) for end in shown_interval("recall", Measurement(math.nan, math.nan)))
