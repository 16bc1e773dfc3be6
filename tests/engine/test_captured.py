"""A recorded step is the step: shown on a CPU, with a tape that has the properties of a CUDA graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tape import Tape
from torch import Tensor
from training_run import BATCH, IMAGES, LABELS, Recorder, candidate_of, digest, run, spec_of

from ganops.config import CandidateConfig, TrainConfig
from ganops.errors import ConfigError
from ganops.evaluation.threads import one_thread
from ganops.models import FAMILIES
from ganops.training import loop, recording
from ganops.training.captured import Captured, Step, step_for
from ganops.training.device_rates import move_at_device_rates
from ganops.training.inputs import Batch, Inputs
from ganops.training.loop import advance
from ganops.training.optimizers import optimizer_of, set_rates
from ganops.training.ranks import Ranks
from ganops.training.schedules import settings_at
from ganops.training.state import TrainingState, fresh_state, gradients_of, tensors_of
from ganops.training.step import take_step

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


CHANGING: dict[str, Any] = {
    "betas": (0.0, 0.9),
    "gamma": 2.0,
    "burn_in": {
        "kimg": 0.2,
        "gamma": 0.2,
        "beta2": 0.99,
        "generator_lr": 1e-4,
        "discriminator_lr": 2e-4,
        "ema_half_life_kimg": 1.0,
    },
}
CASES = {
    "noise that ends": candidate_of("dcgan", warm_up_kimg=0.1),
    "all that a burn-in changes": candidate_of("lite", warm_up_kimg=0.1, **CHANGING),
    "a penalty that begins at 0": candidate_of("lite", **(CHANGING | {"gamma": 0.0})),
    "two batches for the discriminator": candidate_of("spectral", discriminator_steps=2, warm_up_kimg=0.0),
    "gp, classes, augmented, adamw": candidate_of("everything", mixed_batch=False, warm_up_kimg=0.0),
    "double backward, sgd": candidate_of("lite", family="conv_flat", z_dim=None, penalty="r1", optimizer="sgd"),
}


class _Doubled(Inputs):
    """The same batches in float64, in which two ways to add agree to 15 digits."""

    def at(self, images_seen: int) -> Batch:
        return super().at(images_seen).mapped(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def begin(candidate: CandidateConfig, double: bool = False) -> TrainingState:
    state = fresh_state(spec_of(candidate), candidate, 5, CPU, "float32", BATCH)
    if double:
        for network in (state.generator, state.discriminator, state.average.generator_ema):
            network.double()
        state.generator_optimizer = optimizer_of(state.generator, candidate, candidate.generator_lr)
        state.discriminator_optimizer = optimizer_of(state.discriminator, candidate, candidate.discriminator_lr)
    return state


def course(candidate: CandidateConfig, step: Step, count: int, double: bool = False) -> tuple[TrainingState, Tensor]:
    """The state after `count` steps, and what each returned."""
    state, step_images = begin(candidate, double), BATCH * candidate.discriminator_steps
    kind = _Doubled if double else Inputs
    inputs = kind(IMAGES, LABELS, spec_of(candidate), candidate, BATCH, 5, count * step_images, CPU)
    means = []
    for _ in range(count):
        settings = settings_at(candidate, state.images_seen)
        means.append(advance(state, candidate, settings, inputs, step_images, 5, step))
    return state, torch.stack(means)


@cache
def without(case: str, count: int) -> tuple[TrainingState, Tensor]:
    """The same, op by op."""
    return course(CASES[case], take_step, count)


def assert_same_bits(one: TrainingState, other: TrainingState) -> None:
    others = tensors_of(other)
    for name, tensor in tensors_of(one).items():
        assert torch.equal(tensor, others[name]), name
    for (_, gradient), (_, expected) in zip(gradients_of(one), gradients_of(other), strict=True):
        assert (gradient is None and expected is None) or torch.equal(gradient, expected)


# ---------------------------------------------------------------- replays


@pytest.mark.parametrize("case", CASES)
def test_replays_of_thirty_batches_are_steps(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, to 1e-9: losses, weights, averages, moments, and the gradients that the log reads."""
    count = 30 // CASES[case].discriminator_steps
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # forward() ends in float32 otherwise
    notes: list[str] = []
    tape = Tape()
    state, means = course(CASES[case], Captured(tape, notes.append), count, double=True)
    expected, expected_means = course(CASES[case], take_step, count, double=True)
    assert (notes, tape.recorded, tape.replayed) == ([], 1, count + 1)
    torch.testing.assert_close(means, expected_means, rtol=1e-5, atol=1e-6)  # kept in float32
    tensors = tensors_of(expected)
    for name, tensor in tensors_of(state).items():
        assert (tensor.dtype, tensor.stride()) == (tensors[name].dtype, tensors[name].stride())
        torch.testing.assert_close(tensor, tensors[name], rtol=1e-9, atol=1e-9, msg=name)
    for (_, gradient), (_, wanted) in zip(gradients_of(state), gradients_of(expected), strict=True):
        assert gradient is not None and wanted is not None
        torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-9)


def test_a_returned_value_outlives_the_next_replay() -> None:
    _, means = course(CASES["noise that ends"], Captured(Tape(), print), 3)
    assert len({tuple(row.tolist()) for row in means}) == 3


def test_another_state_or_shape_is_recorded_anew_and_parts_are_not_recorded() -> None:
    candidate, tape = CASES["all that a burn-in changes"], Tape()
    step, states = Captured(tape, print), [begin(candidate), begin(candidate)]
    inputs = Inputs(IMAGES, LABELS, spec_of(candidate), candidate, BATCH, 5, 1000, CPU)
    recorded = []

    def take(state: TrainingState, change: Callable[[Batch], Batch] = lambda batch: batch) -> None:
        expected = begin(candidate)
        with torch.no_grad():
            for name, tensor in tensors_of(expected).items():
                tensor.copy_(tensors_of(state)[name])
        batch, settings = change(inputs.at(0)), settings_at(candidate, 0)
        rates = loop.Rates(
            settings.generator_lr, settings.discriminator_lr, settings.betas, settings.gamma, ema_share=0.5
        )
        means = step(state, candidate, rates, [batch])
        torch.testing.assert_close(means, take_step(expected, candidate, rates, [batch]))
        recorded.append(tape.recorded)

    take(states[0])
    take(states[0])
    take(states[1])  # as after a rollback
    take(states[1], lambda batch: replace(batch, noise=None))  # as when it has fallen to nothing
    states[1].micro_batch = BATCH // 2
    take(states[1])
    assert recorded == [1, 1, 2, 3, 3]


def families_and_penalties() -> list[tuple[str, str, float]]:
    """All but the family with dropout, which is not recorded; R1 alone, R2 alone and none are the same code in all."""
    families = {family: facts for family, facts in FAMILIES.items() if family != "dense_dcgan"}
    penalised = [family for family, facts in families.items() if not facts.batch_norm]
    given = [(family, penalty, 0.5) for family in penalised for penalty in ("r1_r2", "gp")]
    others = [(family, "r1", 0.0) for family in families if family not in penalised]
    return [*given, *others, ("lite", "r1", 0.0), ("lite", "r1", 0.5), ("lite", "r2", 0.5)]


@pytest.mark.parametrize(("family", "penalty", "gamma"), families_and_penalties())
def test_no_step_waits_for_the_device_or_reads_the_host(
    family: str, penalty: str, gamma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything lies on the meta device, where a tensor has no value to wait for and a CPU's is a stranger."""
    candidate = candidate_of(
        "lite", family=family, penalty=penalty, gamma=gamma, z_dim=None, augment=("color", "translation", "cutout")
    )
    state, meta = begin(candidate), torch.device("meta")
    for network in (state.generator, state.discriminator, state.average.generator_ema):
        network.to(meta)
    state.generator_optimizer = optimizer_of(state.generator, candidate, 1e-3)
    state.discriminator_optimizer = optimizer_of(state.discriminator, candidate, 1e-3)
    batch = Inputs(IMAGES, LABELS, spec_of(candidate), candidate, BATCH, 5, 1000, CPU).at(0)
    batch = batch.mapped(lambda tensor: tensor.to(meta))
    settings = settings_at(candidate, 0)
    rates = loop.Rates(settings.generator_lr, settings.discriminator_lr, settings.betas, settings.gamma, 0.5)
    monkeypatch.setattr(TrainingState, "autocast", lambda self: torch.autocast("cpu", enabled=False))
    tape = Tape(only=meta)
    recording.Recording(tape, state, candidate, rates, [batch])
    assert len(tape.operations) > 100


# ---------------------------------------------------------------- recordings that are wrong


def stale(place: str, monkeypatch: pytest.MonkeyPatch) -> Tape:
    """A tape that reads one input from a copy made when it was recorded."""
    made: list[recording.Recording] = []
    copies: dict[str, Tensor] = {}
    honest = recording.Recording._load

    def watched(self: recording.Recording, *given: Any) -> None:
        made.append(self)
        honest(self, *given)

    monkeypatch.setattr(recording.Recording, "_load", watched)

    def swap(tensor: Tensor) -> Tensor:
        kind, index = place.split()
        if kind == "number":
            original = made[-1]._numbers[int(index)]
        else:
            found = getattr(made[-1]._batches[int(index)], kind)
            original = found.draws if kind == "augmentation" else found
        first, size = original.data_ptr(), original.numel() * original.element_size()
        if not first <= tensor.data_ptr() < first + size or tensor.numel() > original.numel():
            return tensor
        copy = copies.setdefault(place, original.clone())
        place_in_it = (tensor.data_ptr() - first) // original.element_size()
        return copy.as_strided(tensor.shape, tensor.stride(), place_in_it)

    return Tape(swap)


@pytest.mark.parametrize(
    "place",
    [
        *(f"number {index}" for index in range(5)),
        *(f"{name} 0" for name in ("real", "z", "labels", "share", "augmentation")),
        *("real 1", "z 1"),
    ],
)
def test_a_recording_that_ignores_one_of_its_inputs_is_found_out(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    tape = stale(place, monkeypatch)
    state, means = course(CASES["gp, classes, augmented, adamw"], Captured(tape, notes.append), 1)
    (note,) = notes
    assert note.startswith("the step could not be recorded as a CUDA graph (it came to other ")
    expected, expected_means = without("gp, classes, augmented, adamw", 1)
    assert torch.equal(means, expected_means) and tape.replayed == 2
    assert_same_bits(state, expected)


class _Forgetful(Tape):
    """Leaves out every operation of some name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def record(self, step: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        return super().record(step, without=self._name)


@pytest.mark.parametrize("name", ["aten::_foreach_addcdiv_", "aten::_foreach_add_", "aten::convolution_backward"])
def test_a_recording_that_leaves_something_out_is_found_out(name: str) -> None:
    notes: list[str] = []
    course(CASES["noise that ends"], Captured(_Forgetful(name), notes.append), 1)
    assert len(notes) == 1 and "came to other" in notes[0]


class _Failing(Tape):
    """Fails after it has taken a step, as a capture may."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def record(self, step: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        step()
        raise self._error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("CUDA error: not permitted\nCompile with …"), r"\(CUDA error: not permitted\)"),
        (torch.OutOfMemoryError("Tried to allocate 2 GiB"), r"out of memory\)"),
        (ConfigError("A batch of 8 does not fit."), r"A batch of 8 does not fit\)"),
    ],
)
@pytest.mark.parametrize("case", ["noise that ends", "all that a burn-in changes"])
def test_a_capture_that_fails_changes_nothing_and_says_why(case: str, error: Exception, reason: str) -> None:
    notes: list[str] = []
    state, means = course(CASES[case], Captured(_Failing(error), notes.append), 3)
    expected, expected_means = without(case, 3)
    assert len(notes) == 1 and re.search(reason, notes[0]) and torch.equal(means, expected_means)
    assert_same_bits(state, expected)


def test_memory_that_runs_out_while_recording_does_not_divide_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a recording holds beside the steps without it must not cost them their whole batches."""
    candidate, honest = CASES["all that a burn-in changes"], recording.take_step

    def divided(state: TrainingState, *rest: Any) -> Tensor:
        state.micro_batch = BATCH // 2
        return honest(state, *rest)

    monkeypatch.setattr(recording, "take_step", divided)
    notes: list[str] = []
    state, _ = course(candidate, Captured(Tape(), notes.append), 2)
    assert state.micro_batch == BATCH and "out of memory" in notes[0]
    assert_same_bits(state, course(candidate, take_step, 2)[0])


# ---------------------------------------------------------------- optimisers


@pytest.mark.parametrize("keys", [{}, {"optimizer": "adamw", "weight_decay": 0.1}, {"optimizer": "sgd"}])
def test_rates_on_the_device_move_as_torchs_optimisers_do(keys: dict[str, Any]) -> None:
    """200 steps, of which each has another learning rate and, of Adam, another β2; the state is the same, too."""
    candidate, random = candidate_of("lite", **keys), torch.Generator().manual_seed(0)
    networks = [begin(candidate).discriminator.double() for _ in range(2)]
    ours, torchs = (optimizer_of(network, candidate, 1.0) for network in networks)
    for number in range(200):
        rate, beta2 = 1e-3 * (1 + number % 7), 0.9 + 0.0999 * number / 200
        for weights in zip(*(network.parameters() for network in networks), strict=True):
            gradient = torch.randn(weights[0].shape, generator=random, dtype=torch.float64) * 10 ** (number % 5 - 4)
            for weight in weights:
                weight.grad = gradient.clone()
        set_rates(torchs, rate, (0.5, beta2))
        set_rates(ours, torch.tensor(rate, dtype=torch.float64), (0.5, torch.tensor(beta2, dtype=torch.float64)))
        torchs.param_groups[0]["fused"] = False
        torchs.step()
        move_at_device_rates(ours)
    for one, other in zip(*(network.parameters() for network in networks), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
        assert ours.state[one].keys() == torchs.state[other].keys()
        for name, value in ours.state[one].items():
            expected = torchs.state[other][name]
            assert (value.dtype, value.stride()) == (expected.dtype, expected.stride())
            torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------- in a training


def taped(monkeypatch: pytest.MonkeyPatch) -> Tape:
    """Trainings are recorded on the tape that is returned."""
    tape = Tape()
    monkeypatch.setattr(loop, "step_for", lambda state, config, say: Captured(tape, say))
    return tape


class _Interrupted(Exception):
    pass


class _Interrupting(Recorder):
    def line(self, line: Any) -> None:
        super().line(line)
        if line["images_seen"] >= 120:
            raise _Interrupted


@pytest.mark.parametrize("first", ["recorded", "op by op"])
def test_a_checkpoint_is_gone_on_with_either_way(first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = run(tmp_path / "a", "lite", kimg=0.2, warm_up_kimg=0.1)
    with monkeypatch.context() as patch:
        tapes = [taped(patch)] if first == "recorded" else []
        with pytest.raises(_Interrupted):
            run(tmp_path / "b", "lite", kimg=0.2, warm_up_kimg=0.1, recorder=_Interrupting())
    with monkeypatch.context() as patch:
        tapes += [taped(patch)] if first != "recorded" else []
        resumed = run(tmp_path / "b", "lite", kimg=0.2, warm_up_kimg=0.1)
    assert resumed.resumed_at >= 100 and [tape.recorded for tape in tapes] == [1]
    assert resumed.notes == straight.notes == ()
    for name, tensor in resumed.generator.state_dict().items():
        torch.testing.assert_close(tensor, straight.generator.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_after_a_rollback_the_new_state_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape, honest, spoilt = taped(monkeypatch), loop.advance, []

    def spoiling(state: TrainingState, *rest: Any) -> Tensor:
        if state.images_seen == 160 and not spoilt:
            spoilt.append(state)
            with torch.no_grad():
                next(state.discriminator.parameters()).fill_(torch.nan)
        return honest(state, *rest)

    monkeypatch.setattr(loop, "advance", spoiling)
    result = run(tmp_path, "lite", warm_up_kimg=0.1)
    assert tape.recorded == 2 and result.images_seen == 400
    assert len(result.notes) == 1 and "went back" in result.notes[0]


def test_on_a_cpu_a_training_is_taken_op_by_op_bit_for_bit(tmp_path: Path) -> None:
    digests = {
        graph: digest(run(tmp_path / str(graph), "lite", kimg=0.1, train_keys={"cuda_graph": graph}))
        for graph in ("auto", False)
    }
    assert digests["auto"] == digests[False]


def test_what_is_asked_for_and_cannot_be_is_refused() -> None:
    state = begin(CASES["noise that ends"])
    assert step_for(state, TrainConfig(), print) is take_step
    with pytest.raises(ConfigError, match=r"'train\.cuda_graph' .* is true, but the training runs on cpu.* to auto"):
        step_for(state, TrainConfig(cuda_graph=True), print)


def test_on_cuda_it_is_recorded_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    states = {recipe: begin(candidate_of(recipe)) for recipe in ("dcgan", "dropout")}
    monkeypatch.setattr(TrainingState, "device", torch.device("cuda", 0))
    plain = states["dcgan"]
    obstacles: dict[str, tuple[TrainingState, dict[str, Any]]] = {
        "deterministic": (plain, {"deterministic": True}),
        "micro_batch": (plain, {"micro_batch": 8}),
        "dropout": (states["dropout"], {}),
        "several processes": (replace(plain, ranks=Ranks(0, 2)), {}),
    }
    assert isinstance(step_for(plain, TrainConfig(), print), Captured)
    assert isinstance(step_for(plain, TrainConfig(cuda_graph=True, micro_batch=64), print), Captured)
    assert step_for(plain, TrainConfig(cuda_graph=False), print) is take_step
    for reason, (state, keys) in obstacles.items():
        assert step_for(state, TrainConfig.model_validate(keys), print) is take_step
        with pytest.raises(ConfigError, match=reason):
            step_for(state, TrainConfig.model_validate(keys | {"cuda_graph": True}), print)
