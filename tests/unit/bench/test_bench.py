from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ganops.bench import ground
from ganops.bench.contestants import Contest, Contestant, Engine, PaperStep, PlainLoop
from ganops.config import CandidateConfig
from ganops.models import ModelSpec, build_generator, latents

IMAGES = np.random.default_rng(0).integers(0, 256, (80, 1, 8, 8), dtype=np.uint8)
CANDIDATE = CandidateConfig(family="lite", objective="relativistic", gamma=0.5, width=4, z_dim=4)
CONTEST = Contest(IMAGES, ModelSpec("lite", (1, 8, 8), 4, 4), CANDIDATE, 8, torch.device("cpu"), 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Engine(CONTEST, "float32"),
        lambda: PlainLoop(CONTEST),
        lambda: PaperStep(CONTEST),
    ],
)
def test_each_contestant_trains(make: Callable[[], Contestant]) -> None:
    contestant = make()
    z = latents(0, 4, 4)
    before = contestant.generator()(z).detach().clone()
    for _ in range(3):
        contestant.step()
    assert not torch.equal(contestant.generator()(z), before)


def test_nothing_is_trained_to_score_before_something_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(*arguments: object, **named: object) -> None:
        raise RuntimeError("a classifier was trained")

    monkeypatch.setattr(ground, "fit_classifier", trained)
    digits = ground.digits_ground()
    assert digits.images_u8.shape[1:] == (1, 28, 28)
    with pytest.raises(RuntimeError, match="a classifier was trained"):
        digits.score(build_generator(CONTEST.spec, 0))
