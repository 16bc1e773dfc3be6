from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn
from training_run import RECIPES, candidate_of, spec_of

from ganops.config import CandidateConfig
from ganops.models import FAMILIES
from ganops.training.dropout import seeded_dropout
from ganops.training.inputs import Batch
from ganops.training.lines import gradient_norms
from ganops.training.state import TrainingState, fresh_state
from ganops.training.step import train_step

SHAPE = (3, 9, 12)
CASES = {
    "dcgan": candidate_of("dcgan"),
    "lite": candidate_of("lite"),
    "sngan": candidate_of("spectral"),
    "sgd": candidate_of("lite", optimizer="sgd", generator_lr=1e-2, discriminator_lr=1e-2),
    "adamw": candidate_of("lite", optimizer="adamw", weight_decay=0.1),
    "spectral": candidate_of("lite", objective="hinge", spectral_norm=True),
    "everything": candidate_of("everything"),
}


def batch_of(candidate: CandidateConfig, random: torch.Generator, count: int = 4) -> Batch:
    spec = spec_of(candidate, SHAPE)
    real = torch.rand(count, *SHAPE, generator=random) * 2 - 1
    z = torch.randn(count, spec.z_dim, generator=random)
    labels = torch.arange(count) % 3 if candidate.conditional else None
    share = torch.rand(count, 1, 1, 1, generator=random)
    noise = 0.1 * torch.randn(count, *SHAPE, generator=random)
    return Batch(real, z, labels, None, noise, share)


def steps(
    candidate: CandidateConfig, precision: str, count: int, *, micro_batch: int = 4, fused: bool | None = None
) -> TrainingState:
    state = fresh_state(spec_of(candidate, SHAPE), candidate, 0, torch.device("cpu"), precision, micro_batch)
    if fused is not None:
        for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
            optimizer.param_groups[0]["fused"] = fused
    random = torch.Generator().manual_seed(0)
    for _ in range(count):
        means = train_step(state, candidate, candidate.gamma, [batch_of(candidate, random)])
        assert torch.isfinite(means).all()
        assert means.shape == (5,)
    return state


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_players_move(case: str, precision: str) -> None:
    candidate = CASES[case]
    before, after = steps(candidate, precision, 0), steps(candidate, precision, 2)
    for network in ("generator", "discriminator"):
        for old, new in zip(getattr(before, network).parameters(), getattr(after, network).parameters(), strict=True):
            assert torch.isfinite(new).all()
            assert old.ndim == 1 or not torch.equal(old, new)  # RpGAN has no opinion on the last bias
    assert min(gradient_norms(after.generator).values()) > 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("objective", ["minimax", "relativistic"])
def test_every_family_goes_with_every_kind_of_objective(family: str, objective: str) -> None:
    penalised = not FAMILIES[family].batch_norm
    keys = {"family": family, "objective": objective, "gamma": 0.1 if penalised else 0.0, "width": 8, "z_dim": 4}
    steps(CandidateConfig.model_validate(keys), "float32", 2)


@pytest.mark.parametrize("recipe", ["dcgan", "lite"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_fused_adam_in_channels_last_does_what_plain_adam_does(recipe: str, optimizer: str) -> None:
    """Fused Adam on CPU ignores strides: moments or gradients in other strides would go to the wrong weights.

    Not with a relativistic objective, whose gradient of the last bias is rounding, which Adam blows up.
    """
    decay = 0.1 if optimizer == "adamw" else 0.0
    candidate = candidate_of(recipe, objective="non_saturating", optimizer=optimizer, weight_decay=decay)
    fused, plain = (steps(candidate, "float32", 3, fused=fused) for fused in (True, False))
    for one, other in zip(fused.discriminator.parameters(), plain.discriminator.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_sgd_is_the_textbooks() -> None:
    """v ← μv + g, w ← w - lr·v, from v = 0: after one step the difference is lr·g."""
    before, after = steps(CASES["sgd"], "float32", 0), steps(CASES["sgd"], "float32", 1)
    for old, new in zip(before.discriminator.parameters(), after.discriminator.parameters(), strict=True):
        assert new.grad is not None
        torch.testing.assert_close(old - new, 1e-2 * new.grad, rtol=1e-3, atol=1e-7)


def double(state: TrainingState) -> TrainingState:
    """The same state in float64."""
    for network in (state.generator, state.discriminator, state.average.generator_ema):
        network.double()
    return state


@pytest.mark.parametrize("case", ["lite", "spectral", "everything"])
@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_a_batch_in_parts_has_the_gradients_of_the_whole(
    case: str, micro_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1, R2, GP, relativistic pairs, mixed batches and spectral norm: in float64, equal to 1e-10."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # forward() ends in float32 otherwise
    candidate = CASES[case]
    gradients = []
    for size in (4, micro_batch):
        state = fresh_state(spec_of(candidate, SHAPE), candidate, 0, torch.device("cpu"), "float32", size)
        state = double(state)
        batch = batch_of(candidate, torch.Generator().manual_seed(0))
        tensors = {name: getattr(batch, name).double() for name in ("real", "z", "noise", "share")}
        batch = Batch(**{**vars(batch), **tensors})
        for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
            optimizer.step = lambda: None  # type: ignore[method-assign]
        train_step(state, candidate, candidate.gamma, [batch])
        players = (state.generator, state.discriminator)
        gradients.append([parameter.grad for player in players for parameter in player.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one is not None and other is not None
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


class _Stingy(nn.Module):
    """A first layer that has no memory for more than `most` images at once."""

    def __init__(self, most: int, error: Exception) -> None:
        super().__init__()
        self._most, self._error = most, error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self._most:
            raise self._error
        return images


def with_little_memory(candidate: CandidateConfig, most: int, error: Exception | None = None) -> TrainingState:
    state = fresh_state(spec_of(candidate, SHAPE), candidate, 0, torch.device("cpu"), "float32", 8)
    state.discriminator.layers.insert(0, _Stingy(most, error or torch.OutOfMemoryError()))
    return state


@pytest.mark.parametrize(("most", "fitting"), [(15, 4), (5, 2), (2, 1)])  # it sees real and generated at once
def test_out_of_memory_halves_the_parts_and_ends_in_the_same_weights(most: int, fitting: int) -> None:
    candidate = CASES["lite"]
    scarce, plenty = with_little_memory(candidate, most), with_little_memory(candidate, 16)
    for state in (scarce, plenty):
        train_step(state, candidate, candidate.gamma, [batch_of(candidate, torch.Generator().manual_seed(0), 8)])
    assert (scarce.micro_batch, plenty.micro_batch) == (fitting, 8)
    for player in ("generator", "discriminator"):
        for one, other in zip(getattr(scarce, player).parameters(), getattr(plenty, player).parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."),
        RuntimeError("could not create a primitive"),
    ],
)
def test_what_says_on_a_cpu_that_memory_is_short(error: Exception) -> None:
    candidate = CASES["lite"]
    state = with_little_memory(candidate, 5, error)
    train_step(state, candidate, candidate.gamma, [batch_of(candidate, torch.Generator().manual_seed(0), 8)])
    assert state.micro_batch == 2


def test_with_batch_norm_it_names_the_batch_that_fits() -> None:
    with pytest.raises(ValueError, match=r"A batch of 8 does not fit.*batch norm.* 2 fits"):
        state = with_little_memory(CASES["dcgan"], 3)
        train_step(state, CASES["dcgan"], 0.0, [batch_of(CASES["dcgan"], torch.Generator().manual_seed(0), 8)])
    with pytest.raises(ValueError, match="Not even one image"):
        state = with_little_memory(CASES["lite"], 0)
        train_step(state, CASES["lite"], 0.0, [batch_of(CASES["lite"], torch.Generator().manual_seed(0), 8)])


def test_the_generator_learns_once_from_several_batches() -> None:
    candidate = CASES["lite"]
    state = fresh_state(spec_of(candidate, SHAPE), candidate, 0, torch.device("cpu"), "float32", 4)
    random = torch.Generator().manual_seed(0)
    train_step(state, candidate, candidate.gamma, [batch_of(candidate, random) for _ in range(3)])
    taken = [
        {int(moments["step"]) for moments in optimizer.state.values()}
        for optimizer in (state.generator_optimizer, state.discriminator_optimizer)
    ]
    assert taken == [{1}, {3}]


def test_a_mixed_batch_shares_its_statistics() -> None:
    """Without batch norm it is the same mathematics; with it, real and generated images are normalised together."""
    for recipe, alike in (("lite", True), ("dcgan", False)):
        outcomes = []
        for mixed in (False, True):
            candidate = candidate_of(recipe, mixed_batch=mixed)
            state = fresh_state(spec_of(candidate, SHAPE), candidate, 0, torch.device("cpu"), "float32", 4)
            batch = batch_of(candidate, torch.Generator().manual_seed(0))
            outcomes.append(train_step(state, candidate, candidate.gamma, [batch])[1:4])
        assert torch.allclose(*outcomes, rtol=1e-4) == alike


def test_spectral_norm_iterates_once_a_step_and_bounds_the_slope() -> None:
    candidate = CASES["sngan"]
    vectors = []
    for count in (0, 1, 2):
        state = steps(candidate, "float32", count)
        vectors.append([buffer for name, buffer in state.discriminator.named_buffers() if name.endswith("._u")])
    for one, other in pairwise(vectors):
        assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True) if a.numel() > 1)
    kernel = next(module.weight for module in state.discriminator.modules() if isinstance(module, nn.Linear))
    assert torch.linalg.matrix_norm(kernel, 2).item() == pytest.approx(1.0, abs=0.05)


def test_layers_are_named_and_their_norms_add_up() -> None:
    state = steps(CASES["sngan"], "float32", 1)
    norms = gradient_norms(state.discriminator)
    gradients = [parameter.grad.flatten() for parameter in state.discriminator.parameters()]
    assert sum(norm**2 for norm in norms.values()) == pytest.approx(
        torch.cat(gradients).square().sum().item(), rel=1e-4
    )
    modules: dict[str, Any] = dict(state.discriminator.named_modules())
    assert norms and set(norms) <= set(modules)
    assert not any("parametrizations" in name for name in norms)


def test_dropout_is_seeded_by_position_and_leaves_the_global_generator_alone() -> None:
    network, cpu = nn.Dropout(0.5), torch.device("cpu")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    masks = []
    for seen in (64, 128, 64):
        with seeded_dropout(7, seen, cpu, network):
            masks.append(network(torch.ones(100)))
    assert torch.equal(masks[0], masks[2]) and not torch.equal(masks[0], masks[1])
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(1)
    with seeded_dropout(7, 64, cpu, nn.Identity()):
        assert torch.equal(torch.rand(3), expected)  # no dropout: not seeded at all


def test_the_recipes_of_the_other_tests_cover_every_kind_of_state() -> None:
    optimizers = {candidate_of(name).optimizer for name in RECIPES}
    assert optimizers == {"adam", "adamw", "sgd"}
