"""A recorded step is the step, on a GPU."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganops.config import CandidateConfig, TrainConfig
from ganops.models import family_spec
from ganops.training.captured import Step, step_for
from ganops.training.inputs import Inputs
from ganops.training.lines import gradient_norms
from ganops.training.loop import advance
from ganops.training.schedules import settings_at
from ganops.training.state import TrainingState, fresh_state

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

SHAPE, BATCH, SEED = (3, 32, 32), 64, 5
IMAGES = np.random.default_rng(0).integers(0, 256, (1000, *SHAPE), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, 1000)
BURN_IN = {
    "kimg": 1.5,
    "gamma": 0.1,
    "beta2": 0.99,
    "generator_lr": 1e-5,
    "discriminator_lr": 1e-5,
    "ema_half_life_kimg": 1.0,
}
CASES: dict[str, dict[str, Any]] = {
    "dcgan": {"family": "dcgan", "objective": "non_saturating", "instance_noise": 0.1},
    "lite, burn-in": {
        "family": "lite",
        "objective": "relativistic",
        "gamma": 1.0,
        "betas": (0.0, 0.9),
        "burn_in": BURN_IN,
    },
    "r3gan": {"family": "r3gan", "objective": "relativistic", "gamma": 1.0, "betas": (0.0, 0.99)},
    "sngan": {"family": "sngan", "objective": "hinge", "discriminator_steps": 2},
    "classes": {"family": "lite", "objective": "non_saturating", "gamma": 1.0, "conditional": True},
    "augmented": {"family": "dcgan", "objective": "hinge", "augment": ("color", "translation", "cutout")},
    "gp": {"family": "lite", "objective": "wasserstein", "penalty": "gp", "gamma": 10.0},
    "double backward": {"family": "rgan", "objective": "non_saturating", "gamma": 1.0},
    "adamw": {"family": "lite", "objective": "hinge", "gamma": 1.0, "optimizer": "adamw", "weight_decay": 0.1},
    "sgd": {"family": "bn_conv_gan", "objective": "non_saturating", "optimizer": "sgd"},
}


class _Course:
    """A training that can be gone on with."""

    def __init__(self, case: str, precision: str, graph: bool) -> None:
        self.candidate = CandidateConfig.model_validate(
            {"width": 16, "z_dim": 32, "generator_lr": 1e-4, "discriminator_lr": 1e-4, **CASES[case]}
        )
        shares = (0.3, 0.3, 0.4) if self.candidate.conditional else ()
        spec = family_spec(self.candidate.family, SHAPE, 16, 32, shares)
        gpu = torch.device("cuda", 0)
        self.step_images = BATCH * self.candidate.discriminator_steps
        self.state: TrainingState = fresh_state(spec, self.candidate, SEED, gpu, precision, BATCH)
        self.inputs = Inputs(IMAGES, LABELS, spec, self.candidate, BATCH, SEED, 10**6, gpu)
        self.notes: list[str] = []
        config = TrainConfig(cuda_graph=graph, batch_size=BATCH)
        self.step: Step = step_for(self.state, config, self.notes.append)

    def take(self, count: int) -> Tensor:
        means = []
        for _ in range(count):
            settings = settings_at(self.candidate, self.state.images_seen)
            means.append(advance(self.state, self.candidate, settings, self.inputs, self.step_images, SEED, self.step))
        return torch.stack(means)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_thirty_replays_are_thirty_steps(case: str, precision: str) -> None:
    """Losses to a hundredth: sums are taken in changing order, and two players make more of the difference."""
    recorded, op_by_op = _Course(case, precision, graph=True), _Course(case, precision, graph=False)
    means, expected = recorded.take(30), op_by_op.take(30)
    assert recorded.notes == []
    tolerance = 1e-2 if precision == "float32" else 5e-2
    torch.testing.assert_close(means[:, :3], expected[:, :3], rtol=tolerance, atol=tolerance)
    for player in ("generator", "discriminator"):
        norms, wanted = (gradient_norms(getattr(course.state, player)) for course in (recorded, op_by_op))
        assert norms.keys() == wanted.keys()
        total, expected_total = (np.hypot.reduce([*found.values()]) for found in (norms, wanted))
        assert total == pytest.approx(expected_total, rel=0.3)


@pytest.mark.parametrize("case", ["dcgan", "lite, burn-in", "r3gan"])
def test_a_replay_is_faster(case: str) -> None:
    """Small networks, whose kernels take less time than starting them does: not by a little."""
    speeds = {}
    for graph in (False, True):
        course = _Course(case, "bfloat16", graph)
        course.take(20)
        torch.cuda.synchronize()
        begun = time.perf_counter()
        course.take(100)
        torch.cuda.synchronize()
        speeds[graph] = 100 * course.step_images / (time.perf_counter() - begun)
        assert course.notes == []
    print(f"{case}: {speeds[False]:,.0f} images per second op by op, {speeds[True]:,.0f} recorded")
    assert speeds[True] > speeds[False]
