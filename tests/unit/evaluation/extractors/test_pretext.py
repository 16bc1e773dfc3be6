from __future__ import annotations

import math

import pytest
import torch
from pictures import CONFIG, textures

from ganops.evaluation.extractors import fit_pretext, training
from ganops.evaluation.extractors.pretext import SHARPNESS, instance_loss, recognised


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
