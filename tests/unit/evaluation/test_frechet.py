"""Golden values are those of four public libraries, pytorch-fid 0.3.0, torch-fidelity 0.4.0, clean-fid 0.1.35 and
torchmetrics 1.9.0, on the features that each case draws; the last figure is how far these libraries differ."""

from __future__ import annotations

import numpy as np
import pytest

from ganops.errors import ExtractorError, IncomparableReports
from ganops.evaluation import frechet
from ganops.evaluation.feature_stats import FeatureStats
from ganops.evaluation.frechet import frechet_distance, frechet_distance_of

Case = tuple[np.ndarray, np.ndarray]


def case_a() -> Case:
    random = np.random.RandomState(0)
    return random.randn(512, 16), random.randn(500, 16) * 1.2 + 0.3


def case_b() -> Case:
    random = np.random.RandomState(1)
    return random.randn(64, 128), random.randn(64, 128) + 0.1


def case_c() -> Case:
    random = np.random.RandomState(2)
    mix = random.randn(64, 64) / 8
    return random.randn(4000, 64) @ mix, random.randn(4000, 64) @ mix.T + 0.05


def case_d() -> Case:
    random = np.random.RandomState(3)
    x = abs(random.randn(1000, 2048)).astype(np.float32)
    return x, abs(random.randn(1000, 2048) + 0.02).astype(np.float32)


GOLDEN = {
    "a": (case_a, 2.659551866151652, 1e-13),
    "b, fewer samples than dimensions": (case_b, 115.65602, 5e-6),
    "c, covariances that do not commute": (case_c, 34.0211706906056, 1e-11),
    "d, as Inception's features": (case_d, 652.52095, 4e-5),
}


def of_stats(x: np.ndarray, y: np.ndarray) -> float:
    return frechet_distance(FeatureStats.from_features(x), FeatureStats.from_features(y))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name: str) -> None:
    case, value, agreement = GOLDEN[name]
    x, y = case()
    assert frechet_distance_of(x, y) == pytest.approx(value, abs=agreement)
    if name[0] != "d":
        assert of_stats(x, y) == pytest.approx(value, abs=agreement)


def test_golden_shift_of_one_in_every_dimension() -> None:
    d = 2048
    zero, one = (FeatureStats(np.full(d, value), np.eye(d), 10_000) for value in (0.0, 1.0))
    assert frechet_distance(zero, one) == d


def test_the_wrong_version_with_biased_covariances_is_not_the_golden_one() -> None:
    def biased(x: np.ndarray) -> FeatureStats:
        return FeatureStats(x.mean(0), np.cov(x.T, bias=True), len(x))  # divides by N, not by N - 1

    x, y = case_a()
    assert abs(frechet_distance(biased(x), biased(y)) - GOLDEN["a"][1]) > 1e-4


def test_shifted_and_scaled_gaussians_have_their_closed_form() -> None:
    mu, scale = np.array([1.0, -2.0, 0.5]), np.array([1.0, 4.0, 9.0])
    a, b = FeatureStats(np.zeros(3), np.eye(3), 100), FeatureStats(mu, np.diag(scale), 100)
    assert frechet_distance(a, b) == pytest.approx(np.square(mu).sum() + np.square(np.sqrt(scale) - 1).sum())


def test_commuting_covariances_have_their_closed_form() -> None:
    random = np.random.default_rng(0)
    basis, _ = np.linalg.qr(random.normal(size=(12, 12)))
    one, other = random.uniform(0.1, 3, 12), random.uniform(0.1, 3, 12)
    a, b = (FeatureStats(np.zeros(12), basis * values @ basis.T, 100) for values in (one, other))
    assert frechet_distance(a, b) == pytest.approx(np.square(np.sqrt(one) - np.sqrt(other)).sum())


@pytest.mark.parametrize("sizes", [(200, 300, 5), (40, 300, 60), (40, 30, 60)])
def test_is_symmetric_and_zero_for_itself(sizes: tuple[int, int, int]) -> None:
    random = np.random.default_rng(0)
    n, m, d = sizes
    x, y = random.normal(size=(n, d)), random.normal(size=(m, d)) * 2
    assert frechet_distance_of(x, y) == pytest.approx(frechet_distance_of(y, x), rel=1e-10)
    assert frechet_distance_of(x, y) == pytest.approx(of_stats(x, y), rel=1e-8)
    assert frechet_distance_of(x, x) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("smallest", [1e-6, 1e-10, 1e-14, 0.0])
def test_near_singular_covariances_stay_finite_and_right(smallest: float) -> None:
    """Beside the closed form of commuting covariances, of which one has a direction with almost nothing in it."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))
    one, other = np.geomspace(1, 1e-3, 10), np.full(10, 0.5)
    one[-1] = smallest
    a, b = (FeatureStats(np.zeros(10), basis * values @ basis.T, 10_000) for values in (one, other))
    expected = np.square(np.sqrt(one) - np.sqrt(other)).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_cholesky_and_eigenvectors_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = case_c()
    by_cholesky = of_stats(x, y)
    monkeypatch.setattr(frechet, "_factor", lambda sigma, _: frechet.root_and_whitening(sigma)[0])
    assert of_stats(x, y) == pytest.approx(by_cholesky, rel=1e-12)


def test_a_collapsed_generator_has_the_closed_form_of_a_point() -> None:
    random = np.random.default_rng(0)
    y = random.normal(size=(400, 6))
    collapsed = np.repeat(random.normal(size=(1, 6)), 300, axis=0)
    expected = np.square(collapsed[0] - y.mean(0)).sum() + np.cov(y.T).trace()
    assert frechet_distance_of(collapsed, y) == pytest.approx(expected)


def test_refuses_what_says_nothing() -> None:
    constant = np.ones((9, 3))
    with pytest.raises(ExtractorError, match="no difference between any two"):
        frechet_distance_of(constant, constant + 1)
    with pytest.raises(IncomparableReports, match="3 and 4"):
        frechet_distance_of(np.eye(9)[:, :3], np.eye(9)[:, :4])
    with pytest.raises(IncomparableReports, match="3 and 4"):
        of_stats(np.eye(9)[:, :3], np.eye(9)[:, :4])


@pytest.mark.parametrize("bad", [np.nan, 1e300])
def test_moments_that_have_no_distance_are_one_clear_error(bad: float) -> None:
    good = FeatureStats.from_features(np.random.default_rng(0).normal(size=(30, 3)))
    worse = FeatureStats(good.mu, good.sigma * bad, good.num_images)
    for sides in ((good, worse), (worse, good), (worse, worse)):
        with pytest.raises(ExtractorError, match="too large for float64"):
            frechet_distance(FeatureStats(sides[0].mu * bad, sides[0].sigma, 30), sides[1])


@pytest.mark.parametrize("fall", [np.inf, 100.0, 5.0])
@pytest.mark.parametrize("count", [40, 60])
def test_fewer_samples_than_dimensions_whatever_their_spectrum(count: int, fall: float) -> None:
    """Against the singular values themselves: of spectra that are flat, that fall, and that fall below rounding."""
    random = np.random.RandomState(7)
    scale = np.exp(-np.arange(200) / fall)
    x, y = random.randn(40, 200) * scale, random.randn(count, 200) * scale + 0.01
    a, b = x - x.mean(0), y - y.mean(0)
    cross = np.linalg.svd(a @ b.T, compute_uv=False).sum() / np.sqrt(39 * (count - 1))
    trace = (a**2).sum() / 39 + (b**2).sum() / (count - 1)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + trace - 2 * cross
    assert frechet_distance_of(x, y) == pytest.approx(expected, abs=1e-9 * trace)
    assert frechet_distance_of(y, x) == pytest.approx(expected, abs=1e-9 * trace)
