from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import training_run
from training_run import Recorder, digest, run

from ganops.errors import TrainingFailed, WorkspaceError
from ganops.models import Generator
from ganops.training.precision import resolve_precision

CPU = torch.device("cpu")
FAST_BFLOAT16 = resolve_precision("auto", CPU) == "bfloat16"
TIMES = ("seconds", "images_per_second")


def test_lines_and_samples_come_at_positions_not_at_times(tmp_path: Path) -> None:
    recorder = Recorder()
    result = run(tmp_path, recorder=recorder)
    evaluated = [line["images_seen"] for line in recorder.lines if line["fd"] is not None]
    assert evaluated == recorder.samples_at == [104, 200, 304, 400]
    assert result.images_seen == recorder.lines[-1]["images_seen"] == 400
    assert recorder.lines[-1]["kimg"] == recorder.lines[-1]["total_kimg"] == 0.4
    assert all(math.isfinite(line["loss_generator"]) for line in recorder.lines)


def test_the_best_generator_is_kept(tmp_path: Path) -> None:
    scores = iter([3.0, 1.0, math.nan, 2.0])
    seen: list[dict[str, torch.Tensor]] = []

    def score(generator: Generator) -> float:
        seen.append({name: tensor.clone() for name, tensor in generator.state_dict().items()})
        return next(scores)

    recorder = Recorder()
    result = run(tmp_path, recorder=recorder, score=score)
    assert (result.best_score, result.best_images_seen) == (1.0, 200)
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in result.generator.state_dict().items())
    assert recorder.lines[-1]["best_fd"] == 1.0


def test_a_loss_that_is_not_finite_names_the_image_count(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"when \d+ images"):
        run(tmp_path, "lite", learning_rate=1e18)


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


PRECISIONS = ["float32", pytest.param("bfloat16", marks=pytest.mark.skipif(not FAST_BFLOAT16, reason="emulated"))]


@pytest.mark.parametrize("family", ["dcgan", "lite"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_resumed_is_the_same_as_never_stopped(tmp_path: Path, family: str, precision: str) -> None:
    whole, resumed = Recorder(), Recorder()
    expected = run(tmp_path / "whole", family, precision, whole)
    with pytest.raises(_StopError):
        run(tmp_path / "stopped", family, precision, _Stopping(250))
    result = run(tmp_path / "stopped", family, precision, resumed)
    assert 200 <= result.resumed_at <= 256
    assert resumed.earlier > 0
    assert digest(result) == digest(expected)
    assert (result.best_score, result.best_images_seen) == (expected.best_score, expected.best_images_seen)
    assert _timeless(resumed) == _timeless(whole)


def _timeless(recorder: Recorder) -> list[dict[str, object]]:
    return [{key: value for key, value in line.items() if key not in TIMES} for line in recorder.lines]


def test_a_truncated_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    expected = run(tmp_path)
    newest, previous = sorted(tmp_path.iterdir(), reverse=True)
    newest.write_bytes(newest.read_bytes()[:-100])
    result = run(tmp_path)
    assert result.resumed_at == int(previous.name.split(".")[0])
    assert newest.name in result.notes[0]
    assert digest(result) == digest(expected)


def test_with_no_whole_checkpoint_it_starts_anew_and_says_so(tmp_path: Path) -> None:
    expected = run(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    result = run(tmp_path)
    assert (result.resumed_at, len(result.notes)) == (0, 2)
    assert digest(result) == digest(expected)


def test_a_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkspaceError, match="could not be written"):
        run(tmp_path / "file" / "below")


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_killed_process_resumes_to_the_same_generator(tmp_path: Path, precision: str) -> None:
    def command(directory: str) -> list[str]:
        return [sys.executable, training_run.__file__, str(tmp_path / directory), "lite", precision, "1.5"]

    expected, _ = subprocess.run(command("whole"), check=True, capture_output=True, text=True).stdout.split()
    for checkpoints in (1, 3):  # killed twice, at whatever instruction it happens to be
        process = subprocess.Popen(command("killed"))
        seen: set[str] = set()
        while len(seen) < checkpoints and process.poll() is None:
            seen |= {path.name for path in (tmp_path / "killed").glob("[0-9]*")}
            time.sleep(0.005)
        assert process.poll() is None, "it ended before it could be killed"
        process.kill()
        process.wait()
    actual, resumed_at = subprocess.run(command("killed"), check=True, capture_output=True, text=True).stdout.split()
    assert int(resumed_at) > 0
    assert actual == expected
