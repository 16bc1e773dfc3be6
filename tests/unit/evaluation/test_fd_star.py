from __future__ import annotations

import numpy as np
import pytest

from ganops.errors import ExtractorError, IncomparableReports
from ganops.evaluation import fd_star as module
from ganops.evaluation.fd_star import fd_star, frechet_estimates, influences
from ganops.evaluation.frechet import frechet_distance_of


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


@pytest.mark.parametrize("sizes", [(20, 25), (20, 90)])
def test_influences_are_the_slope_in_a_samples_weight_where_samples_are_few(sizes: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    n, m = sizes
    x, y = random.normal(size=(n, 30)), random.normal(size=(m, 30)) * 0.8 + 0.2
    on_x, on_y = influences(x, y)
    for samples, others, influence in ((x, y, on_x), (y, x, on_y)):
        up, down = (_distance_with_weight(samples, others, 7, 1 + step) for step in (1e-5, -1e-5))
        of_mean = 2 * (samples.mean(0) - others.mean(0)) @ (samples[7] - samples.mean(0))
        of_covariance = (influence[7] - of_mean) * len(samples) / (len(samples) - 1)
        assert (up - down) / 2e-5 * len(samples) == pytest.approx(of_mean + of_covariance, rel=1e-4, abs=1e-4)


def _distance_with_weight(samples: np.ndarray, others: np.ndarray, index: int, weight: float) -> float:
    """The distance if `index` counted `weight` times, covariances still divided by the number of samples less one."""
    weights = np.ones(len(samples))
    weights[index] = weight
    shares = weights / weights.sum()
    mean = shares @ samples
    a = np.sqrt(shares * len(samples) / (len(samples) - 1))[:, None] * (samples - mean)
    b = (others - others.mean(0)) / np.sqrt(len(others) - 1)
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(np.square(mean - others.mean(0)).sum() + np.square(a).sum() + np.square(b).sum() - 2 * cross)


def test_both_ways_to_the_influences_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(12, 12)), random.normal(size=(10, 12)) * 1.3
    by_samples = influences(x, y)
    monkeypatch.setattr(module, "_carried_by_samples", module._carried_by_covariances)
    by_covariances = influences(x, y)
    for one, other in zip(by_samples, by_covariances, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_swapping_the_sides_swaps_the_influences() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(80, 6)), random.normal(size=(60, 6)) * 1.5 + 0.2
    there, back = influences(x, y), influences(y, x)
    np.testing.assert_allclose(there[0], back[1], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(there[1], back[0], rtol=1e-7, atol=1e-9)


def test_plain_is_the_distance_and_star_lies_below_it() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(300, 10)) * 0.8, random.normal(size=(120, 10))
    found = frechet_estimates(x, y)
    assert found.plain.value == frechet_distance_of(x, y)
    assert found.star.value < found.plain.value
    assert fd_star(x, y).value == found.star.value


def test_a_collapsed_generator_is_measured() -> None:
    random = np.random.default_rng(0)
    estimate = fd_star(np.repeat(random.normal(size=(1, 6)), 300, axis=0), random.normal(size=(400, 6)))
    assert estimate.measurement.finite
    assert estimate.measurement.standard_error > 0


def test_refuses_what_cannot_be_halved_a_constant_reference_and_other_widths() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ExtractorError, match="at least four"):
        fd_star(x[:3], x)
    with pytest.raises(ExtractorError, match="All 20 reference images"):
        fd_star(x, np.ones((20, 3)))
    with pytest.raises(IncomparableReports, match="2 and 3"):
        fd_star(x[:, :2], x)
