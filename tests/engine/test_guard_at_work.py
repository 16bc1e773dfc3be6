"""Trainings to which something happens: a lost weight, a collapse, memory that runs out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from training_run import Recorder, brightness, plant, run

from ganops.errors import TrainingFailed
from ganops.evaluation.threads import one_thread
from ganops.models import Generator, to_uint8
from ganops.training import loop
from ganops.training.guard import Evaluation
from ganops.training.state import TrainingState


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


class _Once:
    """Spoils a weight the first time that `images_seen` are passed: a cosmic ray."""

    def __init__(self, images_seen: int) -> None:
        self._at, self.done = images_seen, False

    def __call__(self, state: TrainingState) -> None:
        if state.images_seen >= self._at and not self.done:
            self.done = True
            with torch.no_grad():
                next(state.discriminator.parameters()).fill_(math.nan)


@pytest.mark.parametrize("at", [16, 250])  # before the first checkpoint and after several
def test_a_planted_nan_is_rolled_back_and_training_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    fault, recorder = _Once(at), Recorder()
    plant(monkeypatch, fault)
    result = run(tmp_path, "lite", recorder=recorder)
    (back,) = [line for line in recorder.lines if "event" in line]
    assert fault.done and back["event"] == "rollback"
    assert "no longer finite" in back["reason"] and back["not_finite"]
    assert (result.images_seen, result.stopped) == (400, None)
    assert any("with 0.5 times the learning rates of params.yaml" in note for note in result.notes)
    after = recorder.lines[recorder.lines.index(back) + 1 :]
    assert after[0]["images_seen"] <= back["images_seen"]
    assert all(torch.isfinite(tensor).all() for tensor in result.generator.state_dict().values())


def overflowing(generator: Generator) -> None:
    for parameter in generator.parameters():
        parameter.fill_(1e38)[::2].neg_()


@pytest.mark.parametrize("spoil", [overflowing, lambda generator: next(generator.parameters()).fill_(math.nan)])
def test_an_average_that_makes_no_images_is_rolled_back_and_never_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Generator], None]
) -> None:
    done: list[int] = []

    def fault(state: TrainingState) -> None:
        if state.images_seen >= 160 and not done:
            done.append(state.images_seen)
            with torch.no_grad():
                spoil(state.average.generator_ema)

    def score(generator: Generator) -> Evaluation:
        to_uint8(generator(torch.zeros(1, 4)))
        return brightness(generator)

    plant(monkeypatch, fault)
    recorder = Recorder()
    result = run(tmp_path, "lite", recorder=recorder, score=score)
    (back,) = [line for line in recorder.lines if "event" in line]
    assert done and back["event"] == "rollback" and back["images_seen"] == 200
    assert back["reason"].startswith("generated_image was no longer finite") and back["fd"] is None
    assert (result.images_seen, result.stopped) == (400, None)
    assert all(torch.isfinite(tensor).all() for tensor in result.generator.state_dict().values())


def test_nan_for_ever_fails_and_says_where(tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(TrainingFailed, match=r"no longer finite when \d+ images.*3 rollbacks.*generator_lr"):
        run(tmp_path, "lite", recorder=recorder, generator_lr=1e18, discriminator_lr=1e18)
    assert [line["event"] for line in recorder.lines if "event" in line] == ["rollback"] * 3 + ["failed"]


def collapsed(generator: Generator) -> Evaluation:
    """A score by what is really generated: 0 diversity where z changes nothing."""
    with torch.no_grad():
        images = generator(torch.randn(16, 4, generator=torch.Generator().manual_seed(0)))
    return Evaluation(brightness(generator).fd, min(1.0, images.var(0).mean().item() * 1e9))


def test_a_planted_collapse_is_stopped_within_two_evaluations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_image_for_ever(state: TrainingState) -> None:
        if state.images_seen >= 120:
            with torch.no_grad():
                for network in (state.generator, state.average.generator_ema):
                    next(network.parameters()).zero_()

    plant(monkeypatch, one_image_for_ever)
    recorder = Recorder()
    result = run(tmp_path, recorder=recorder, score=collapsed, kimg=2.0, train_keys={"guard": {"grace": 0.01}})
    evaluations = [line for line in recorder.lines if line["diversity"] is not None]
    assert [line["diversity"] < 0.05 for line in evaluations[:2]] == [False, True]
    assert len(evaluations) == 3
    assert recorder.lines[-1]["event"] == "stopped"
    assert result.stopped == recorder.lines[-1]["reason"]
    assert "collapsed" in result.stopped
    assert result.images_seen == 304
    assert recorder.lines[-1]["best_fd"] == result.best_score


def on_a_gpu() -> None:
    raise torch.OutOfMemoryError


def on_a_cpu() -> None:
    torch.empty(2**60, dtype=torch.uint8)


@pytest.mark.parametrize("run_out", [on_a_gpu, on_a_cpu])
def test_out_of_memory_is_survived_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_out: Callable[[], None]
) -> None:
    honest, notes = loop.fresh_state, []

    def scarce(*arguments: Any) -> TrainingState:
        state = honest(*arguments)
        forward = state.discriminator.forward

        def stingy(images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
            if len(images) > 5:  # 2 real and 2 generated fit
                run_out()
            return forward(images, labels)

        monkeypatch.setattr(state.discriminator, "forward", stingy)
        return state

    plenty = run(tmp_path / "plenty", "lite", kimg=0.08)
    monkeypatch.setattr(loop, "fresh_state", scarce)
    result = run(tmp_path / "scarce", "lite", kimg=0.08, progress=lambda done, total, note: notes.append(note))
    said = "out of memory: from 0 images on, 2 images at a time"
    assert said in result.notes and said in notes
    monkeypatch.undo()
    resumed = run(tmp_path / "scarce", "lite", kimg=0.08)
    assert resumed.resumed_at == 80 and resumed.notes.count(said) == 1
    for one, other in zip(result.generator.parameters(), plenty.generator.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-4)
