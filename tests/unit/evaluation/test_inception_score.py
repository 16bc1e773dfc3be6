from __future__ import annotations

import math

import numpy as np
import pytest

from ganops.errors import ExtractorError, TooFewImages
from ganops.evaluation.inception_score import inception_score


def test_sure_and_even_is_the_number_of_classes_and_unsure_is_one() -> None:
    sure = np.eye(5)[np.arange(100) % 5]
    assert inception_score(sure).value == pytest.approx(5)
    assert inception_score(np.full((100, 5), 0.2)).value == pytest.approx(1)
    assert inception_score(np.eye(5)[np.zeros(100, int)]).value == pytest.approx(1)


def test_is_the_mean_over_parts_of_the_published_formula() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(7), 40)
    scores = []
    for part in np.split(p, 4):
        divergences = [sum(q * math.log(q / m) for q, m in zip(row, part.mean(0), strict=True)) for row in part]
        scores.append(math.exp(sum(divergences) / len(divergences)))
    assert inception_score(p, splits=4).value == pytest.approx(sum(scores) / 4)


def test_standard_error_is_that_of_repeats() -> None:
    values, errors = [], []
    for seed in range(200):
        found = inception_score(np.random.default_rng(seed).dirichlet(np.full(6, 0.3), 400), splits=2)
        values.append(found.value)
        errors.append(found.measurement.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def test_refuses_what_is_too_few_or_no_probability() -> None:
    with pytest.raises(TooFewImages, match="20 images"):
        inception_score(np.full((19, 3), 1 / 3))
    for bad in (math.nan, -0.1):
        p = np.full((40, 3), 1 / 3)
        p[7, 1] = bad
        with pytest.raises(ExtractorError, match="probability"):
            inception_score(p)
