from __future__ import annotations

import numpy as np
import pytest

from ganops.errors import TooFewImages
from ganops.evaluation import distances
from ganops.evaluation.manifold import ManifoldReference, manifold


def _case_a() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(0)
    return random.randn(512, 16), random.randn(500, 16) * 1.2 + 0.3


@pytest.mark.parametrize("block_elements", [2**21, 3000])
def test_golden_values(monkeypatch: pytest.MonkeyPatch, block_elements: int) -> None:
    monkeypatch.setattr(distances, "_BLOCK_ELEMENTS", block_elements)
    reference, generated = _case_a()
    found = manifold(generated, ManifoldReference.of(reference))
    assert found.precision.value == pytest.approx(0.572)
    assert found.recall.value == pytest.approx(0.9609375)
    assert found.density.value == pytest.approx(0.3688)
    assert found.coverage.value == pytest.approx(0.693359375)


def test_equal_distributions_have_density_one_and_their_expected_coverage() -> None:
    random = np.random.default_rng(0)
    n, k = 600, 5
    found = manifold(random.normal(size=(n, 8)), ManifoldReference.of(random.normal(size=(n, 8)), k), k)
    expected = 1 - np.prod([(n - 1 - i) / (2 * n - 1 - i) for i in range(k)])
    assert found.density.value == pytest.approx(1.0, abs=0.12)
    assert found.coverage.value == pytest.approx(expected, abs=0.03)


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


def test_too_few_neighbours() -> None:
    with pytest.raises(TooFewImages, match="5 nearest"):
        ManifoldReference.of(np.zeros((5, 3)))
