"""One candidate in several processes: the same training, and nothing hangs or is left behind."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ranks_run import CRAMPED, DIVERGING, STEPS, stored, trained
from user_shell import GANOPS, Shell

from ganops import workspace
from ganops.data.prepared import write_dataset
from ganops.data.split import SPLITS
from ganops.errors import ConfigError
from ganops.evaluation import reference as references
from ganops.evaluation.extractors import Card, save_extractor
from ganops.evaluation.extractors.network import ClassifierNetwork, ExtractorNetwork, Projection
from ganops.files import write_json
from ganops.layout import Layout
from ganops.models import load_snapshot
from ganops.stages.train import train

pytestmark = pytest.mark.slow

# ---------------------------------------------------------------- the same training

FIGURES = ("loss_generator", "loss_discriminator", "gradient_penalty", "real_logit", "fake_logit", "fd")
NORMS = ("grad_norm_generator", "grad_norm_discriminator", "weight_norm_generator", "weight_norm_discriminator")


def assert_equal_to_rounding(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert [line["images_seen"] for line in one] == [line["images_seen"] for line in other]
    for ours, theirs in zip(one, other, strict=True):
        for name in (*FIGURES, *NORMS):
            assert ours[name] == (None if theirs[name] is None else pytest.approx(theirs[name], rel=1e-10, abs=1e-10))


def assert_same_state(one: Path, other: Path) -> None:
    ours, theirs = stored(one), stored(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(
            tensor, theirs[name], rtol=1e-10, atol=1e-10, msg=lambda m, name=name: f"{name}: {m}"
        )


Alone = Callable[[str], tuple[dict[str, Any], Path]]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """What one process that is never interrupted comes to with a recipe, and where; each is trained once."""

    @functools.cache
    def train_alone(recipe: str) -> tuple[dict[str, Any], Path]:
        folder = tmp_path_factory.mktemp(recipe)
        (outcome,) = trained(folder, recipe, 1)
        return outcome, folder

    return train_alone


@pytest.mark.parametrize("recipe", ["lite", "everything", "dcgan", "spectral"])
def test_two_processes_train_as_one_does(tmp_path: Path, alone: Alone, recipe: str) -> None:
    """R1 and R2 on relativistic pairs with noise; GP with classes, augmentation and mixed batches; batch norm in both
    players; spectral norm with three discriminator steps: in float64, to 1e-10.
    """
    expected, folder = alone(recipe)
    first, second = trained(tmp_path, recipe, 2)
    assert len(expected["lines"]) == STEPS > 20
    assert_equal_to_rounding(first["lines"], expected["lines"])
    assert_same_state(tmp_path, folder)
    assert first["sha256"] == second["sha256"]


@pytest.mark.parametrize("recipe", ["lite", "dcgan"])
def test_another_number_of_processes_goes_on_where_one_ended(tmp_path: Path, alone: Alone, recipe: str) -> None:
    """Two, one, two: the losses and weights of one process that was never interrupted, in float64, to 1e-10."""
    expected, folder = alone(recipe)
    lines = []
    for processes, until_step in ((2, 8), (1, 16), (2, STEPS)):
        lines = trained(tmp_path, recipe, processes, until_step)[0]["lines"]
        assert len(lines) == until_step
    assert_equal_to_rounding(lines, expected["lines"])
    assert_same_state(tmp_path, folder)


def test_all_go_back_and_fail_together(tmp_path: Path) -> None:
    first, second = trained(tmp_path, DIVERGING, 2)
    events = [[line.get("event") for line in outcome["lines"] if "event" in line] for outcome in (first, second)]
    assert events == [["rollback"] * 3 + ["failed"]] * 2
    assert first["failed"] == second["failed"]


def test_rank_0_says_that_another_ran_out_of_memory(tmp_path: Path) -> None:
    first, second = trained(tmp_path, CRAMPED, 2)
    assert "out of memory in another process: by 8 images, 2 images at a time there" in first["notes"]
    assert "out of memory: from 0 images on, 2 images at a time" in second["notes"]
    assert sum("out of memory" in note for note in first["notes"] + second["notes"]) == 2
    assert first["sha256"] == second["sha256"]


# ---------------------------------------------------------------- the stage

COUNT, SHAPE = 64, (1, 8, 8)
TRAIN = {
    "launcher": "torchrun",
    "device": "cpu",
    "precision": "float32",
    "batch_size": 8,
    "evaluate_images": 100,
    "evaluate_every_kimg": 0.1,
    "checkpoint_every_kimg": 0.1,
    "timeout_seconds": 10.0,
}
SHORT = {"family": "dcgan", "objective": "non_saturating", "kimg": 0.2, "width": 4, "z_dim": 4}
ENDLESS = {**SHORT, "kimg": 100_000}


def workspace_with(folder: Path, candidate: Mapping[str, Any], **train: Any) -> Layout:
    """A workspace after `prepare` and `reference`, of noise and with an extractor that has learnt nothing."""
    layout, random = Layout(folder), np.random.default_rng(0)
    images_u8 = random.integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)
    for split in SPLITS:
        place = layout.prepared / split
        place.mkdir(parents=True)
        np.save(place / "images.npy", images_u8)
        np.save(place / "labels.npy", np.arange(COUNT) % 2)
        np.save(place / "ids.npy", random.integers(0, 256, (COUNT, 32), dtype=np.uint8))
    write_dataset(layout.prepared, SHAPE, ["odd", "even"], dict.fromkeys(SPLITS, COUNT), {}, "p@1")
    network = ExtractorNetwork(ClassifierNetwork(SHAPE, 16, 2), Projection(16, 4)).eval()
    layout.reference.mkdir()
    card = Card("classifier", SHAPE, 16, 4, ("odd", "even"), 0.9, "p@1", 0)
    extractor = save_extractor(layout.reference / "extractor", network, card)
    (layout.reference / "select").mkdir()
    np.save(layout.reference / "select" / "features.npy", extractor.features(images_u8))
    split = {"sha256": references.array_digests(layout.reference / "select")}
    facts = {"format": references.FORMAT, "metric_version": references.METRIC_VERSION, "splits": {"select": split}}
    write_json(layout.reference / references.REFERENCE, facts)
    layout.pipeline.write_text("stages: {}\n")
    write_json(layout.params, {"train": {**TRAIN, **train}, "candidates": {"a": dict(candidate)}})  # JSON is YAML
    return layout


@dataclass
class Stage:
    """`ganops train a`, running."""

    layout: Layout
    process: subprocess.Popen[str]
    seen: set[int] = field(default_factory=set)

    def family(self) -> dict[int, str]:
        """The stage's descendants that are there now, with the rank of each, or none."""
        running = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        parents = {pid: parent for pid in running if (parent := parent_of(pid)) is not None}
        family = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        self.seen |= family
        return {pid: rank_of(pid) for pid in family - {self.process.pid}}

    def rank(self, number: int) -> int:
        (pid,) = [pid for pid, rank in self.family().items() if rank == str(number)]
        return pid

    def wait_for_checkpoint(self, after: int = 0) -> int:
        """Images seen by the newest, once there is one of more than `after`."""
        return until(lambda: max((seen for seen in self.checkpoints() if seen > after), default=0))

    def checkpoints(self) -> Iterator[int]:
        for path in self.layout.checkpoints.glob("*/*/*.safetensors"):
            yield int(path.name.split(".")[0].split("-")[1])

    def paragraph(self) -> str:
        """What it ended with, by itself: one paragraph and exit code 1; and nobody is left."""
        _, stderr = self.process.communicate(timeout=60)
        assert self.process.returncode == 1, stderr
        assert "Traceback" not in stderr
        (paragraph,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
        self.assert_nobody_is_left()
        return paragraph

    def assert_nobody_is_left(self) -> None:
        assert len(self.seen) == 4  # the stage, torchrun, two ranks
        until(lambda: not any(parent_of(pid) is not None for pid in self.seen - {self.process.pid}))


def parent_of(pid: int) -> int | None:
    """None for one that does not run any more."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in "ZX" else int(parent)


def rank_of(pid: int) -> str:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((entry[5:].decode() for entry in environment if entry.startswith(b"RANK=")), "")


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def started(layout: Layout) -> Stage:
    """As from a terminal: under `nohup` the tests themselves ignore SIGHUP, and so would all that they start."""
    command = [str(GANOPS), "train", "a"]
    process = subprocess.Popen(
        command,
        cwd=layout.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    return Stage(layout, process)


def files_of(layout: Layout) -> set[str]:
    return {str(path.relative_to(layout.root)) for path in layout.train_dir("a").rglob("*")}


def test_the_stage_is_the_same(tmp_path: Path) -> None:
    together, alone = (
        workspace_with(tmp_path / "two", SHORT),
        workspace_with(tmp_path / "one", SHORT, launcher="process"),
    )
    lines = Shell(together.root)("train", "a", GANOPS_IN_PIPELINE="1").stdout
    assert re.search(r"^progress 0 200 started$", lines, re.M)
    assert re.search(r"^progress 200 200 fd ", lines, re.M)
    assert re.search(r"^train: a: best snapshot at \d+ images, Fréchet distance [\d.]+$", lines, re.M)
    train(alone, workspace.load(alone).config, "a", "code")
    assert files_of(together) == files_of(alone)
    statistics = [(layout.train_dir("a") / "stats.jsonl").read_text().splitlines() for layout in (together, alone)]
    assert [list(json.loads(line)) for line in statistics[0]] == [list(json.loads(line)) for line in statistics[1]]
    assert load_snapshot(together.snapshot("a")).spec == load_snapshot(alone.snapshot("a")).spec
    assert not list(together.checkpoints.iterdir())


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel does not tell who runs")
def test_whoever_is_killed_or_hangs_everyone_ends_and_the_next_goes_on(tmp_path: Path) -> None:
    layout = workspace_with(tmp_path, ENDLESS)

    stage = started(layout)
    stage.wait_for_checkpoint()
    os.kill(stage.rank(1), signal.SIGKILL)
    paragraph = stage.paragraph()
    reached = max(stage.checkpoints())
    assert "Rank 1 of 2 was ended by SIGKILL" in paragraph
    assert f"candidate 'a' goes on from {reached:,} images on" in paragraph

    stage = started(layout)
    reached = stage.wait_for_checkpoint(after=reached)  # it went on
    os.kill(stage.rank(1), signal.SIGSTOP)
    paragraph = stage.paragraph()
    assert "Rank 1 of 2 did not answer the others within 10 seconds" in paragraph
    assert "goes on from" in paragraph

    stage = started(layout)
    stage.wait_for_checkpoint(after=max(stage.checkpoints()))
    os.kill(stage.rank(1), signal.SIGTERM)
    assert "Rank 1 of 2 was ended by SIGTERM" in stage.paragraph()

    stage = started(layout)
    stage.wait_for_checkpoint(after=max(stage.checkpoints()))
    assert sorted(stage.family().values()) == ["", "0", "1"]
    stage.process.kill()
    stage.assert_nobody_is_left()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel does not tell who runs")
@pytest.mark.parametrize(
    ("number", "launcher"), [(signal.SIGTERM, "torchrun"), (signal.SIGHUP, "process")], ids=["SIGTERM", "SIGHUP"]
)
def test_one_that_is_asked_to_end_does_so_as_by_ctrl_c(tmp_path: Path, number: int, launcher: str) -> None:
    stage = started(workspace_with(tmp_path, ENDLESS, launcher=launcher))
    try:
        until(lambda: any(stage.checkpoints()), seconds=300)
        stage.family()
        stage.process.send_signal(number)
        _, stderr = stage.process.communicate(timeout=60)
    finally:
        stage.process.kill()
    assert stage.process.returncode == 130, stderr
    assert stderr.splitlines()[-1].startswith("stopped: what was finished is kept") and "Traceback" not in stderr
    until(lambda: not any(parent_of(pid) is not None for pid in stage.seen))


MISTAKES = {
    "more processes than images": ({"processes": 16}, r"batch_size 8 .* 16 processes; .*batch_size: 16, or .*: 8"),
    "no even division": ({"processes": 3}, r"batch_size 8 .* 3 processes; .*batch_size: 9, or processes: 2"),
    "none at all": ({"processes": 0}, r"'train\.processes' is 0"),
    "micro_batch": ({"micro_batch": 2}, r"micro_batch and launcher torchrun"),
    "processes without torchrun": ({"launcher": "process", "processes": 2}, r"processes belongs to launcher torchrun"),
    "an unknown launcher": ({"launcher": "torch"}, r"'train\.launcher' is 'torch'"),
    "no time": ({"timeout_seconds": 0}, r"'train\.timeout_seconds' is 0"),
    "a device that is not there": ({"device": "cuda:9"}, r"'train\.device' .*'cuda:9'.* CUDA devices"),
    "a batch that two cannot divide": ({"batch_size": 7}, r"batch_size 7 .* 2 processes; .*batch_size: 8, or .*: 1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_the_users(tmp_path: Path, mistake: str) -> None:
    keys, said = MISTAKES[mistake]
    layout = workspace_with(tmp_path, SHORT, **keys)
    with pytest.raises(ConfigError, match=said):
        train(layout, workspace.load(layout).config, "a", "code")


def test_a_mistake_is_one_paragraph(tmp_path: Path) -> None:
    layout = workspace_with(tmp_path, SHORT, batch_size=7)
    stderr = Shell(layout.root)("train", "a", expect=2).stderr
    assert [line for line in stderr.splitlines() if line.startswith("error: ")] == stderr.splitlines()[-1:]
