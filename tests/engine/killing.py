"""Trainings in processes of their own, killed at random moments and begun again."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from training_run import digest, run

# Processes are forked from one that has imported the slow parts (torch's optimisers import the second) and trained
# nothing: a start takes milliseconds.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["ganops.training.loop", "torch._dynamo"])


def _train(folder: str, recipe: str, kimg: float) -> None:
    begun = time.monotonic()
    (Path(folder) / "begun").touch()
    result = run(Path(folder) / "checkpoints", recipe, kimg=kimg)
    outcome = {"sha256": digest(result), "resumed_at": result.resumed_at, "seconds": time.monotonic() - begun}
    (Path(folder) / "outcome.json").write_text(json.dumps(outcome))


def started(folder: Path, recipe: str, kimg: float) -> BaseProcess:
    """A process that trains `recipe` with checkpoints in `folder`, or goes on there."""
    folder.mkdir(parents=True, exist_ok=True)
    process = _CONTEXT.Process(target=_train, args=(str(folder), recipe, kimg))
    process.start()
    return process


def finished(folder: Path, recipe: str, kimg: float) -> dict[str, Any]:
    """What training in `folder` to its end came to."""
    process = started(folder, recipe, kimg)
    process.join()
    assert process.exitcode == 0
    outcome: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
    return outcome


def killed(folder: Path, recipe: str, kimg: float, seconds: float, moments: random.Random) -> float:
    """Start training in `folder` and kill it by SIGKILL at a random moment of its `seconds`; returns the moment."""
    while True:
        moment = moments.uniform(0.0, seconds)
        process = started(folder / "course", recipe, kimg)
        while not (folder / "course" / "begun").exists():
            time.sleep(0.001)
        process.join(moment)
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            return moment
        shutil.rmtree(folder / "course")  # it was faster than that: once more, from the start


def assert_kills_change_nothing(folder: Path, recipe: str, kimg: float, kills: int, seed: int) -> int:
    """Kill `kills` trainings, resume each to its end, compare; returns how many had a checkpoint to go on from."""
    moments = random.Random(seed)
    whole = finished(folder / "whole", recipe, kimg)
    resumed = 0
    for number in range(kills):
        moment = killed(folder / str(number), recipe, kimg, whole["seconds"], moments)
        outcome = finished(folder / str(number) / "course", recipe, kimg)
        print(f"{recipe}, seed {seed}: killed after {moment:.3f} s, resumed at {outcome['resumed_at']} images")
        assert outcome["sha256"] == whole["sha256"], f"{recipe}: killed after {moment:.3f} s of seed {seed}"
        resumed += outcome["resumed_at"] > 0
    return resumed
