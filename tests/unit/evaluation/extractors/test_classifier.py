from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganops.config import ReferenceConfig
from ganops.errors import IncomparableReports, SnapshotError
from ganops.evaluation.extractors import Card, Extractor, load_extractor, save_extractor, train_classifier, training
from ganops.evaluation.extractors.network import ClassifierNetwork, ExtractorNetwork, Projection
from ganops.evaluation.extractors.training import project

CONFIG = ReferenceConfig(features=16, batch_size=32, epochs=1)


def _stripes(count: int, shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy horizontal (0) and vertical (1) stripes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    channels, height, width = shape
    rows = np.broadcast_to((np.arange(height)[:, None] // 2 % 2) * 160, (height, width))
    columns = np.broadcast_to((np.arange(width) // 2 % 2) * 160, (height, width))
    images = np.where(labels[:, None, None] == 0, rows, columns)[:, None].repeat(channels, axis=1)
    return (images + random.integers(0, 90, images.shape)).astype(np.uint8), labels


def _card(shape: tuple[int, int, int], dim: int) -> Card:
    return Card("classifier", shape, 16, dim, ("rows", "columns"), 0.9, "p@1", 0)


@pytest.fixture(scope="module")
def network() -> ExtractorNetwork:
    images, labels = _stripes(300, (1, 8, 8))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training, "MIN_STEPS", 40)
        return project(train_classifier(images, labels, 2, CONFIG), images, 10)


@pytest.fixture
def saved(tmp_path: Path, network: ExtractorNetwork) -> Extractor:
    return save_extractor(tmp_path / "extractor", network, _card((1, 8, 8), 10))


def test_learns_and_does_not_depend_on_the_batch_size(saved: Extractor) -> None:
    images, labels = _stripes(200, (1, 8, 8), seed=1)
    observed = saved.observe(images)
    assert (observed.classes == labels).mean() > 0.95
    assert observed.features.shape == (200, 10)
    assert observed.features.dtype == np.float32
    np.testing.assert_allclose(saved.class_probabilities(images).sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(saved.features(torch.from_numpy(images), 7), observed.features, rtol=1e-4, atol=1e-5)


def test_the_projection_makes_training_features_centred_with_total_variance_100(saved: Extractor) -> None:
    features = saved.features(_stripes(300, (1, 8, 8))[0]).astype(np.float64)
    np.testing.assert_allclose(features.mean(0), 0.0, atol=1e-3)
    covariance = np.cov(features.T)
    assert covariance.trace() == pytest.approx(100.0, rel=1e-3)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0.0, atol=1e-3)  # principal components


def test_same_seed_same_weights_and_the_callers_random_state_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MIN_STEPS", 10)
    images, labels = _stripes(64, (1, 8, 8))
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, second = (train_classifier(images, labels, 2, CONFIG).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_saved_and_loaded_is_the_same(saved: Extractor, tmp_path: Path) -> None:
    again = load_extractor(tmp_path / "extractor")
    images, _ = _stripes(20, (1, 8, 8))
    assert (again.sha256, again.card) == (saved.sha256, saved.card)
    np.testing.assert_array_equal(again.features(images), saved.features(images))
    assert saved.score_name == f"fd_classifier@{saved.sha256[:8]}"


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("name", ["extractor.safetensors", "extractor.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_damage_is_found(tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / "extractor" / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-20])
    else:
        path.write_bytes(content.replace(b'"kind": "classifier"', b'"kind": "other"')[:-1] + b" ")
    with pytest.raises(SnapshotError, match="extractor"):
        load_extractor(tmp_path / "extractor")


def test_images_of_another_shape_are_refused(saved: Extractor) -> None:
    with pytest.raises(IncomparableReports, match="image shape"):
        saved.features(np.zeros((3, 1, 9, 8), np.uint8))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (3, 17, 40), (1, 128, 128), (3, 8, 128)])
def test_every_shape_has_a_network(shape: tuple[int, int, int]) -> None:
    network = ExtractorNetwork(ClassifierNetwork(shape, 16, 3), Projection(16, 8)).eval()
    features, logits = network(torch.zeros(2, *shape))
    assert features.shape == (2, 8)
    assert logits.shape == (2, 3)
