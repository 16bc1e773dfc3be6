from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path

import pytest
import torch
from training_run import Recorder, brightness, candidate_of, run

from ganops.config import TrainConfig
from ganops.models import Generator
from ganops.training import advice
from ganops.training.guard import Evaluation


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


@pytest.mark.parametrize(("distances", "said"), [([5.0, 6.0, 7.0, 6.0], 1), ([5.0, 6.0, 4.0, 5.0], 0)])
def test_a_second_half_in_vain_is_said(tmp_path: Path, distances: list[float], said: int) -> None:
    course = iter(distances)
    result = run(tmp_path, score=lambda generator: Evaluation(next(course), 1.0))
    assert len([note for note in result.notes if "no new best after 104 of 400 images" in note]) == said


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


def test_why_it_was_stopped_is_said_once(tmp_path: Path) -> None:
    told: list[str] = []
    guard = {"lost": 1e9, "patience": 1}
    result = run(tmp_path, train_keys={"guard": guard}, progress=lambda done, total, note: told.append(note))
    assert (
        result.stopped is not None
        and "the same to it (guard.lost) in one line of the log, when 8 images" in result.stopped
    )
    assert told.count(f"stopped: {result.stopped}") == 1
    assert not any("stopped" in note for note in result.notes)


@pytest.mark.parametrize("warm_up_kimg", [0.0, 0.02, 5.0])
def test_a_warm_up_that_does_not_end_is_said(tmp_path: Path, warm_up_kimg: float) -> None:
    result = run(tmp_path, kimg=0.02, warm_up_kimg=warm_up_kimg)
    notes = [note for note in result.notes if "warm_up_kimg" in note]
    assert notes == (
        [
            "The learning rates rise from 0 over warm_up_kimg, 5 where nothing else is set, and 0.02 kimg end at 0.004 "
            "of them. Set warm_up_kimg to 0.002 or less, or raise kimg."
        ]
        if warm_up_kimg == 5
        else []
    )


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


def test_progress_tells_the_last_distance_the_best_and_the_speed(tmp_path: Path) -> None:
    notes: list[str] = []
    scores = iter([12.314, 11.14, 13.0] + [20.0] * 20)

    def score(generator: Generator) -> Evaluation:
        return Evaluation(next(scores), 1.0)

    run(tmp_path, "lite", score=score, progress=lambda done, total, note: notes.append(note))
    assert any(re.fullmatch(r"fd 13 \(best 11\.14\), [\d,]+ images/s", note) for note in notes), notes
