from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training_run import Recorder, brightness, candidate_of, plant, run

from ganops.config import TrainConfig
from ganops.errors import TrainingFailed
from ganops.models import Generator
from ganops.training import advice, loop
from ganops.training.guard import Evaluation
from ganops.training.state import TrainingState


def test_lines_and_samples_come_at_positions_not_at_times(tmp_path: Path) -> None:
    recorder = Recorder()
    result = run(tmp_path, recorder=recorder)
    evaluated = [line["images_seen"] for line in recorder.lines if line["fd"] is not None]
    assert evaluated == recorder.samples_at == [104, 200, 304, 400]
    assert result.images_seen == recorder.lines[-1]["images_seen"] == 400
    assert recorder.lines[-1]["kimg"] == recorder.lines[-1]["total_kimg"] == 0.4
    assert all(math.isfinite(line["loss_generator"]) for line in recorder.lines)
    assert (result.stopped, {line.get("event") for line in recorder.lines}) == (None, {None})


def test_every_line_has_the_gradient_norm_of_each_layer_and_the_share_of_evaluation(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tmp_path, "lite", recorder=recorder, kimg=0.1)
    for line in recorder.lines:
        for player in ("generator", "discriminator"):
            layers = line[f"grad_norms_{player}"]
            assert all(name.startswith("layers.") and norm > 0 for name, norm in layers.items())
            assert line[f"grad_norm_{player}"] == pytest.approx(math.hypot(*layers.values()))
            assert line[f"weight_norm_{player}"] > 0
        assert line["not_finite"] == []
    assert 0 < recorder.lines[-1]["evaluation_share"] < 1
    json.dumps(recorder.lines, allow_nan=False)


def test_dear_evaluation_is_said(tmp_path: Path) -> None:
    result = run(tmp_path, kimg=0.1, train_keys={"evaluate_every_kimg": 0.008})
    assert any("evaluate_every_kimg" in note for note in result.notes)


def test_a_training_that_is_stopped_before_it_is_evaluated_says_nothing_of_dear_evaluations(tmp_path: Path) -> None:
    def slow(generator: Generator) -> Evaluation:
        time.sleep(0.5)
        return brightness(generator)

    stopping = {"lost": 1e9, "patience": 2}  # every discriminator has lost
    keys = {"evaluate_every_kimg": 0.4, "guard": stopping}
    result = run(tmp_path, score=slow, train_keys=keys)
    assert result.stopped is not None and result.images_seen < 400
    assert result.seconds >= 0.5
    assert not any("In-loop evaluation" in note for note in result.notes)


@pytest.mark.parametrize(("threads", "said"), [(1, 0), (3, 1)])
def test_more_threads_than_cores_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, said: int
) -> None:
    monkeypatch.setattr(advice.os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    before = torch.get_num_threads()
    try:
        result = run(tmp_path, kimg=0.02, train_keys={"threads": threads})
    finally:
        torch.set_num_threads(before)
    notes = [note for note in result.notes if "train.threads is 3, and this machine has 2 cores" in note]
    assert len(notes) == said


@pytest.mark.parametrize(
    ("recipe", "keys", "said"),
    [
        ("dcgan", {}, "Lower generator_lr and discriminator_lr of this candidate in params.yaml."),
        ("lite", {}, "Lower generator_lr and discriminator_lr, or raise gamma, of this candidate in params.yaml."),
        ("lite", {"gamma": 1e9}, "Lower gamma, now 1e+09, of this candidate in params.yaml."),
        ("dcgan", {"instance_noise": 1e6}, "Lower instance_noise, now 1e+06, of this candidate in params.yaml."),
        (
            "everything",
            {"weight_decay": 1e4, "gamma": 1e4},
            "Lower gamma, now 10000, and weight_decay, now 10000, of this candidate in params.yaml.",
        ),
    ],
)
def test_what_is_advised_after_a_divergence_is_something_that_the_candidate_has(
    recipe: str, keys: dict[str, float], said: str
) -> None:
    sentence = advice.diverged("a weight was no longer finite", candidate_of(recipe, **keys), TrainConfig())
    assert sentence.endswith(f"learning rates. {said}")


def test_a_training_that_is_over_before_it_is_evaluated_says_so(tmp_path: Path) -> None:
    def notes(kimg: float) -> list[str]:
        result = run(tmp_path / str(kimg), kimg=kimg, train_keys={"evaluate_every_kimg": 0.08})
        return [note for note in result.notes if "before the first evaluation" in note]

    (note,) = notes(0.08)
    assert "Lower train.evaluate_every_kimg, now 0.08, to 0.016 or less" in note
    assert notes(0.088) == []


def test_lengths_are_whole_steps_of_the_generator(tmp_path: Path) -> None:
    recorder = Recorder()
    result = run(tmp_path, "lite", recorder=recorder, discriminator_steps=3)
    assert result.images_seen == 408
    assert all(line["images_seen"] % 24 == 0 for line in recorder.lines)


def test_the_best_generator_is_kept(tmp_path: Path) -> None:
    scores = iter([3.0, 1.0, math.nan, 2.0])
    seen: list[dict[str, torch.Tensor]] = []

    def score(generator: Generator) -> Evaluation:
        seen.append({name: tensor.clone() for name, tensor in generator.state_dict().items()})
        return Evaluation(next(scores), 1.0)

    recorder = Recorder()
    result = run(tmp_path, recorder=recorder, score=score)
    assert (result.best_score, result.best_images_seen) == (1.0, 200)
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in result.generator.state_dict().items())
    assert recorder.lines[-1]["best_fd"] == 1.0


# ---------------------------------------------------------------- the guard, at work


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
    assert any("lower learning rates" in note for note in result.notes)
    after = recorder.lines[recorder.lines.index(back) + 1 :]
    assert after[0]["images_seen"] <= back["images_seen"]
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
    for one, other in zip(result.generator.parameters(), plenty.generator.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-4)


def test_progress_tells_the_last_distance_the_best_and_the_speed(tmp_path: Path) -> None:
    notes: list[str] = []
    scores = iter([12.314, 11.14, 13.0] + [20.0] * 20)

    def score(generator: Generator) -> Evaluation:
        return Evaluation(next(scores), 1.0)

    run(tmp_path, "lite", score=score, progress=lambda done, total, note: notes.append(note))
    assert any(re.fullmatch(r"fd 13 \(best 11\.14\), [\d,]+ images/s", note) for note in notes), notes
