"""An extractor that was trained without labels, at a length at which it has learnt something."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import CONFIG, textures
from torch.nn import functional as F

from ganops.evaluation.extractors import fit_pretext, training
from ganops.evaluation.frechet import frechet_distance_of


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
