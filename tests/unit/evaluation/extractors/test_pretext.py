from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pictures import CONFIG
from torch.nn import functional as F

from ganops.evaluation.extractors import fit_pretext, training
from ganops.evaluation.extractors.pretext import SHARPNESS, instance_loss, recognised
from ganops.evaluation.frechet import frechet_distance_of


def textures(count: int, seed: int) -> np.ndarray:
    """Isotropic noise of two scales, which looks alike at any angle: (count, 1, 16, 16)."""
    random = np.random.default_rng(seed)
    field = torch.from_numpy(random.normal(size=(count, 1, 20, 20)).astype(np.float32))
    coarse = F.avg_pool2d(field, 5, stride=1) * 4
    fine = F.avg_pool2d(field, 3, stride=1)[..., 1:17, 1:17] * 2.4
    chosen = torch.from_numpy(random.random((count, 1, 1, 1)) < 0.5)
    return (128 + 60 * torch.where(chosen, coarse, fine)).clamp(0, 255).to(torch.uint8).numpy()


def blurred(images: np.ndarray, size: int) -> np.ndarray:
    x = F.pad(torch.from_numpy(images).float(), [size // 2] * 4, mode="replicate")
    return F.avg_pool2d(x, size, stride=1).to(torch.uint8).numpy()


def noisy(images: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, deviation, images.shape)
    return (images + noise).clip(0, 255).astype(np.uint8)


def test_learns_textures_without_labels_and_its_features_see_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MIN_STEPS", 120)
    extractor = fit_pretext(textures(1500, 0), CONFIG, dimensions=8, preprocessing="p@1")
    card = extractor.card
    assert (card.kind, card.classes, card.preprocessing) == ("pretext", (), "p@1")
    assert card.accuracy is not None and card.accuracy > 0.3  # by chance it would be 1 in 255
    reference, other = extractor.features(textures(800, 1)), textures(800, 2)
    assert extractor.observe(other[:3]).probabilities.shape == (3, 0)

    def distance(images: np.ndarray) -> float:
        return frechet_distance_of(extractor.features(images), reference)

    undamaged = distance(other)
    assert undamaged < distance(blurred(other, 3)) < distance(blurred(other, 5))
    assert undamaged < distance(noisy(other, 20)) < distance(noisy(other, 40))
    collapsed = np.where(np.arange(800)[:, None, None, None] % 2 == 0, other[:1], other)
    assert undamaged < distance(collapsed) < distance(other[:1].repeat(800, 0))


def test_same_seed_same_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MIN_STEPS", 10)
    images, before = textures(100, 0), torch.random.get_rng_state()
    assert fit_pretext(images, CONFIG).sha256 == fit_pretext(images, CONFIG).sha256
    assert fit_pretext(images, CONFIG, 1).sha256 != fit_pretext(images, CONFIG).sha256
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_loss_is_that_of_finding_the_other_view() -> None:
    """Two images whose views agree and which are orthogonal: each has one partner at 1, and two others at 0."""
    views = torch.eye(2).repeat(2, 1)
    assert instance_loss(views).item() == pytest.approx(math.log(1 + 2 * math.exp(-1 / SHARPNESS)), rel=1e-5)
    assert recognised(views).all()
    assert not recognised(torch.cat([torch.eye(2), torch.eye(2).flip(0)])).any()
