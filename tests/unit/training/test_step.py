from __future__ import annotations

import pytest
import torch

from ganops.config import CandidateConfig
from ganops.models import ModelSpec
from ganops.training.state import TrainingState, fresh_state
from ganops.training.step import gradient_norm, train_step

CASES = [("dcgan", "non_saturating", 0.0), ("lite", "relativistic", 0.5), ("lite", "non_saturating", 0.0)]


def steps(candidate: CandidateConfig, precision: str, count: int, *, fused: bool = True) -> TrainingState:
    spec = ModelSpec(candidate.family, (3, 9, 12), candidate.z_dim, candidate.width)
    state = fresh_state(spec, candidate, 0, torch.device("cpu"), precision)
    for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
        optimizer.param_groups[0]["fused"] = fused
    random = torch.Generator().manual_seed(0)
    for _ in range(count):
        real = torch.rand(4, 3, 9, 12, generator=random) * 2 - 1
        z = torch.randn(4, candidate.z_dim, generator=random)
        means = train_step(state, candidate, real, z, None)
        assert torch.isfinite(means).all()
    return state


def candidate_of(family: str, objective: str, gamma: float) -> CandidateConfig:
    return CandidateConfig.model_validate(
        {"family": family, "objective": objective, "gamma": gamma, "width": 4, "z_dim": 4}
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_players_move(case: tuple[str, str, float], precision: str) -> None:
    candidate = candidate_of(*case)
    before, after = steps(candidate, precision, 0), steps(candidate, precision, 2)
    for network in ("generator", "discriminator"):
        for old, new in zip(getattr(before, network).parameters(), getattr(after, network).parameters(), strict=True):
            assert torch.isfinite(new).all()
            assert old.ndim == 1 or not torch.equal(old, new)  # RpGAN has no opinion on the last bias
    assert gradient_norm(after.generator) > 0


@pytest.mark.parametrize("case", CASES)
def test_fused_adam_in_channels_last_does_what_plain_adam_does(case: tuple[str, str, float]) -> None:
    """Fused Adam on CPU ignores strides: moments or gradients in other strides would go to the wrong weights."""
    fused, plain = (steps(candidate_of(*case), "float32", 3, fused=fused) for fused in (True, False))
    for one, other in zip(fused.discriminator.parameters(), plain.discriminator.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
