from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganops.errors import ExtractorError, IncomparableReports
from ganops.evaluation.feature_stats import FeatureMoments, FeatureStats, checked_reference


@pytest.mark.parametrize("batch_size", [1, 7, 100, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_statistics_do_not_depend_on_the_batches(batch_size: int, dtype: type) -> None:
    x = (np.random.default_rng(0).normal(size=(707, 9)) * 3 + 100).astype(dtype)
    whole = FeatureStats.from_features(x)
    streamed = FeatureStats.from_batches(x[i : i + batch_size] for i in range(0, len(x), batch_size))
    assert streamed.num_images == 707
    np.testing.assert_allclose(streamed.mu, whole.mu, rtol=1e-12)
    np.testing.assert_allclose(streamed.sigma, whole.sigma, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(whole.sigma, np.cov(x.T.astype(np.float64)), rtol=1e-9, atol=1e-11)


def test_shards_merge_to_the_whole() -> None:
    x = np.random.default_rng(0).normal(size=(300, 5)) + 50
    merged = FeatureStats.from_features(x[:40]).merged(FeatureStats.from_features(x[40:]))
    np.testing.assert_allclose(merged.sigma, np.cov(x.T), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(merged.mu, x.mean(0))


def test_takes_tensors_where_they_are() -> None:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    moments = FeatureMoments()
    for batch in x.split(10):
        moments.add(batch)
    np.testing.assert_allclose(moments.stats().sigma, np.cov(x.double().numpy().T), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_refuses_features_that_are_no_numbers(bad: float) -> None:
    x = np.zeros((10, 2))
    x[3, 1] = bad
    with pytest.raises(ExtractorError, match="not a finite number"):
        FeatureStats.from_features(x)
    with pytest.raises(ExtractorError, match="not a finite number"):
        FeatureStats.from_batches([x[:2], x[2:]])


@pytest.mark.parametrize("factor", [1e160, 1e20])
def test_refuses_features_whose_powers_no_number_holds(factor: float) -> None:
    x = np.random.default_rng(0).normal(size=(30, 3))
    FeatureStats.from_features(x * 1e14)
    with pytest.raises(ExtractorError, match="too large for float64"):
        FeatureStats.from_features(x * factor)
    with pytest.raises(ExtractorError, match="too large for float64"):
        FeatureStats.from_batches([x[:10], x[10:] * -factor])


def test_refuses_fewer_than_two_images() -> None:
    with pytest.raises(ExtractorError, match="at least two"):
        FeatureStats.from_features(np.zeros((1, 2)))
    for batches in ([], [np.zeros((1, 2))]):
        with pytest.raises(ExtractorError, match="at least two"):
            FeatureStats.from_batches(batches)


def test_refuses_what_is_no_table_and_batches_of_different_widths() -> None:
    for shape in ((5,), (5, 0), (5, 2, 2)):
        with pytest.raises(ExtractorError, match="a row an image"):
            FeatureStats.from_features(np.zeros(shape))
    with pytest.raises(IncomparableReports, match="2 and 3"):
        FeatureStats.from_batches([np.zeros((4, 2)), np.zeros((4, 3))])


def test_refuses_a_reference_that_does_not_vary() -> None:
    with pytest.raises(ExtractorError, match="All 6 reference images"):
        checked_reference(np.full((6, 2), 0.1))
