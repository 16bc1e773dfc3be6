"""Trainings stopped anywhere and begun again: weights, best generator and lines are those of one never stopped."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from training_run import RECIPES, Recorder, digest, plant, run

from ganops.training import loop
from ganops.training.loop import TrainingResult
from ganops.training.precision import resolve_precision
from ganops.training.state import TrainingState

FAST_BFLOAT16 = resolve_precision("auto", torch.device("cpu")) == "bfloat16"
TIMES = ("seconds", "images_per_second", "evaluation_share")


class _StopError(Exception):
    pass


class _Stopping(Recorder):
    """Ends the training at the line after `images_seen`."""

    def __init__(self, images_seen: int) -> None:
        super().__init__()
        self._stop = images_seen

    def line(self, line):  # type: ignore[no-untyped-def]
        super().line(line)
        if line["images_seen"] > self._stop:
            raise _StopError


@pytest.mark.parametrize("recipe", RECIPES)
def test_resumed_is_the_same_as_never_stopped(tmp_path: Path, recipe: str) -> None:
    resumes_exactly(tmp_path, recipe, "float32")


@pytest.mark.skipif(not FAST_BFLOAT16, reason="emulated")
@pytest.mark.parametrize("recipe", ["dcgan", "everything"])
def test_resumed_is_the_same_in_bfloat16(tmp_path: Path, recipe: str) -> None:
    resumes_exactly(tmp_path, recipe, "bfloat16")


def resumes_exactly(folder: Path, recipe: str, precision: str) -> None:
    whole, resumed = Recorder(), Recorder()
    expected = run(folder / "whole" / "c", recipe, precision, whole)
    with pytest.raises(_StopError):
        run(folder / "stopped" / "c", recipe, precision, _Stopping(250))
    result = run(folder / "stopped" / "c", recipe, precision, resumed)
    assert 200 <= result.resumed_at <= 264
    assert resumed.earlier > 0
    assert digest(result) == digest(expected)
    assert (result.best_score, result.best_images_seen) == (expected.best_score, expected.best_images_seen)
    assert _timeless(resumed) == _timeless(whole)


def _timeless(recorder: Recorder) -> list[dict[str, object]]:
    return [{key: value for key, value in line.items() if key not in TIMES} for line in recorder.lines]


def spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a weight be lost at the same place of the first course, whoever runs it."""

    def spoil(state: TrainingState) -> None:
        if state.images_seen == 232 and not any("event" in line for line in state.lines):
            with torch.no_grad():
                next(state.generator.parameters()).fill_(math.inf)

    plant(monkeypatch, spoil)


@pytest.fixture(scope="module")
def rolled_back(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, Recorder]:
    """A training that was spoilt once and never stopped."""
    whole = Recorder()
    with pytest.MonkeyPatch.context() as monkeypatch:
        spoilt(monkeypatch)
        expected = run(tmp_path_factory.mktemp("whole") / "c", "lite", recorder=whole)
    assert any(line.get("event") == "rollback" for line in whole.lines)
    return expected, whole


@pytest.mark.parametrize("stop_after", [100, 180, 260, 350])
def test_resumed_is_the_same_around_a_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rolled_back: tuple[TrainingResult, Recorder], stop_after: int
) -> None:
    expected, whole = rolled_back
    spoilt(monkeypatch)
    resumed = Recorder()
    with pytest.raises(_StopError):
        run(tmp_path / "c", "lite", recorder=_Stopping(stop_after))
    result = run(tmp_path / "c", "lite", recorder=resumed)
    assert digest(result) == digest(expected)
    assert _timeless(resumed) == _timeless(whole)


def test_auto_is_resolved_once_and_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "resolve_precision", lambda wanted, device: "float32")
    with pytest.raises(_StopError):
        run(tmp_path, "lite", "auto", _Stopping(250))
    monkeypatch.setattr(loop, "resolve_precision", lambda wanted, device: "bfloat16")
    assert run(tmp_path, "lite", "auto").precision == "float32"
