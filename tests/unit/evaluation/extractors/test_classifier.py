from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import CONFIG, stripes
from torch.nn import functional as F

from ganops.evaluation.extractors import Extractor, fit_classifier, train_classifier, training
from ganops.evaluation.extractors.classifier import temperature
from ganops.evaluation.extractors.network import ClassifierNetwork, ExtractorNetwork, Projection


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    images, labels = stripes(300, (1, 8, 8))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training, "MIN_STEPS", 60)
        return fit_classifier(images, labels, ["rows", "columns"], CONFIG, dimensions=10, preprocessing="p@1")


def test_learns_and_says_how_well(extractor: Extractor) -> None:
    images, labels = stripes(200, (1, 8, 8), seed=1)
    observed = extractor.observe(images)
    assert (observed.classes == labels).mean() > 0.95
    assert observed.features.shape == (200, 10)
    assert observed.features.dtype == np.float32
    np.testing.assert_allclose(extractor.class_probabilities(images).sum(1), 1.0, rtol=1e-5)
    card = extractor.card
    assert (card.kind, card.task, card.classes, card.fitted_on) == (
        "classifier",
        "2 classes",
        ("rows", "columns"),
        "train",
    )
    assert card.accuracy is not None and card.accuracy > 0.95
    assert extractor.score_name == f"fd_classifier@{extractor.sha256[:8]}"


def test_the_projection_makes_training_features_centred_with_total_variance_100(extractor: Extractor) -> None:
    features = extractor.features(stripes(300, (1, 8, 8))[0]).astype(np.float64)
    np.testing.assert_allclose(features.mean(0), 0.0, atol=1e-3)
    covariance = np.cov(features.T)
    assert covariance.trace() == pytest.approx(100.0, rel=1e-3)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0.0, atol=1e-3)  # principal components


def test_same_seed_same_weights_and_the_callers_random_state_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MIN_STEPS", 10)
    images, labels = stripes(64, (1, 8, 8))
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, second = (train_classifier(images, labels, 2, CONFIG).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads
    other = train_classifier(images, labels, 2, CONFIG.model_copy(update={"seed": 1})).state_dict()
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_probabilities_are_calibrated_on_images_that_were_not_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the labels is wrong: who is right in four of five cases should be sure to about four fifths."""
    monkeypatch.setattr(training, "MIN_STEPS", 60)
    images, labels = stripes(1500, (1, 8, 8))
    wrong = np.random.default_rng(2).random(1500) < 0.2
    extractor = fit_classifier(images[:1200], np.where(wrong, 1 - labels, labels)[:1200], ["rows", "columns"], CONFIG)
    sure = extractor.class_probabilities(images[1200:]).max(1)
    assert 0.7 < sure.mean() < 0.9


def test_the_temperature_minimises_the_cross_entropy() -> None:
    logits, labels = torch.randn(400, 5, generator=torch.Generator().manual_seed(0)), torch.arange(400) % 5
    logits[torch.arange(400), labels] += 1.5
    best = temperature(10 * logits, labels)
    assert best == pytest.approx(10 * temperature(logits, labels), rel=1e-6)

    def loss(divisor: float) -> float:
        return F.cross_entropy(10 * logits / divisor, labels).item()

    assert loss(best) < min(loss(0.98 * best), loss(1.02 * best))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (3, 17, 40), (1, 128, 128), (3, 8, 128)])
def test_every_shape_has_a_network(shape: tuple[int, int, int]) -> None:
    network = ExtractorNetwork(ClassifierNetwork(shape, 16, 3), Projection(16, 8)).eval()
    seen = network(torch.zeros(2, *shape, dtype=torch.uint8))
    assert seen.features.shape == (2, 8)
    assert seen.logits.shape == (2, 3)
