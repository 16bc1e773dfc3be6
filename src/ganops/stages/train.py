"""`train`: data/prepared and data/reference in, data/candidates/NAME/train out."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ganops.config import Config
from ganops.errors import RankLost, UserError, unwritable
from ganops.evaluation.extractors import load_extractor
from ganops.evaluation.frechet import FeatureStats, frechet_distance
from ganops.evaluation.reference import select_features
from ganops.evaluation.sample import generated_stats
from ganops.files import write_bytes, write_json
from ganops.layout import Layout
from ganops.models import Generator, save_snapshot
from ganops.progress import Progress, silent
from ganops.stages.sample import write_by_class, write_sample
from ganops.stages.train_lock import only_training
from ganops.stages.train_task import TrainTask, train_task
from ganops.stages.training_report import REPORT, TrainingReport
from ganops.training.guard import Evaluation
from ganops.training.log import Unobserved
from ganops.training.loop import TrainingResult
from ganops.training.loop import train as run_training
from ganops.training.memory import enough_memory
from ganops.training.ranks import ALONE, Ranks
from ganops.training.seeds import SAMPLE_SEED, SCORE_SEED
from ganops.training.torchrun import Launch, processes_of, run_ranks

STATS = "stats.jsonl"


def train(
    layout: Layout, config: Config, candidate: str, code_digest: str, progress: Progress = silent
) -> TrainingReport:
    """Train one candidate, or go on where it was interrupted, and keep its best generator as a snapshot.

    code_digest: digest of the GanOps sources that decide the result; a checkpoint of other sources is not resumed.

    Raises:
        UnknownName: no such candidate in params.yaml.
        ConfigError: what the candidate cannot do with this data or on this machine.
        UserError: an earlier stage has not run.
        DamagedFile: what it left was changed since.
        WorkspaceBusy: another process trains this candidate.
        WorkspaceError: a file cannot be written; names it.
        NoRoom: nor can it where the disk is full, or a file cannot be read where memory is short.
        TrainingFailed: a number was not finite, again and again.
        RankLost: with launcher torchrun, one of the processes died or hung.
    """
    config.candidate(candidate)
    with only_training(layout, candidate):
        task = train_task(layout, config, candidate, code_digest)
        task.checkpoints.tidy()
        if config.train.launcher == "torchrun":
            return _train_in_torchrun(task, progress)
        return kept(task, trained(task, ALONE, progress))


def trained(task: TrainTask, ranks: Ranks, progress: Progress) -> TrainingResult:
    """Train in this process, one of `ranks`; rank 0 writes statistics and samples."""
    train_dir = task.layout.train_dir(task.name)
    with enough_memory(task.name):
        return run_training(
            task.split.images_u8,
            task.spec,
            task.candidate,
            task.config.train,
            task.config.seed,
            _scorer(task),
            task.checkpoints,
            _Files(train_dir, task.occurring_classes) if ranks.leads else Unobserved(),
            progress,
            task.split.labels,
            ranks,
        )


def kept(task: TrainTask, result: TrainingResult) -> TrainingReport:
    """Write the snapshot and the report; the checkpoints are then of no more use."""
    report, path = _write_snapshot(task, result), task.layout.train_dir(task.name) / REPORT
    with _writing(path):
        write_json(path, asdict(report))
    task.checkpoints.clear()
    return report


def _train_in_torchrun(task: TrainTask, progress: Progress) -> TrainingReport:
    job = {
        "root": str(task.layout.root),
        "config": task.config.model_dump(mode="json"),
        "candidate": task.name,
        "code_digest": task.code_digest,
    }
    folder, config = task.layout.state / "ranks" / task.name, task.config.train
    launch = Launch(processes_of(config), config.device, config.timeout_seconds)
    try:
        report = run_ranks("ganops.stages.train_rank", folder, job, launch, progress)
    except RankLost as error:
        seen = task.checkpoints.resume_at()
        start = "from the start: there is no checkpoint yet" if seen is None else f"from {seen:,} images on"
        raise RankLost(f"{error} Run the same command again: candidate '{task.name}' goes on {start}.") from None
    return TrainingReport.from_json(report)


def _scorer(task: TrainTask) -> Callable[[Generator], Evaluation]:
    """Fréchet distance on `select` and diversity against it, from the same z each time.

    Raises:
        UserError: the reference is of images of another shape.
    """
    extractor = load_extractor(task.layout.reference / "extractor")
    made_for, shape = extractor.card.image_shape, task.dataset.image_shape
    if made_for not in (None, shape):
        raise UserError(
            f"{task.layout.reference} was made for images of {made_for} (channels, height, width), and those that are "
            f"prepared are {shape}. Run `ganops reference`, then train again."
        )
    reference = FeatureStats.from_features(select_features(task.layout.reference, extractor.dim))
    count = task.config.train.evaluate_images
    moved = cache(extractor.to)

    def score(generator: Generator) -> Evaluation:
        generated = generated_stats(generator, moved(next(generator.parameters()).device), count, SCORE_SEED)
        diversity = float(np.trace(generated.sigma) / np.trace(reference.sigma))
        return Evaluation(frechet_distance(generated, reference), diversity)

    return score


@final
class _Files:
    """Follows a training with stats.jsonl, for the flow to read live, and sample grids."""

    def __init__(self, directory: Path, classes: Sequence[str]) -> None:
        """classes: names of those that samples come of, in their order; none where they come of no class."""
        self._stats, self._samples, self._classes = directory / STATS, directory / "samples", classes

    def begin(self, lines: list[dict[str, Any]]) -> None:
        shutil.rmtree(self._samples, ignore_errors=True)
        with _writing(self._samples):
            self._samples.mkdir(parents=True, exist_ok=True)
        with _writing(self._stats):
            write_bytes(self._stats, b"".join(_encoded(line) for line in lines))

    def line(self, line: Mapping[str, Any]) -> None:
        with _writing(self._stats), self._stats.open("ab") as file:
            file.write(_encoded(line))

    def samples(self, images_seen: int, images_u8: Tensor) -> None:
        path = self._samples / f"{images_seen:012d}.png"
        with _writing(path):
            write_by_class(path, images_u8.numpy(), self._classes)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raises NoRoom or WorkspaceError where `path` cannot be written."""
    try:
        yield
    except OSError as error:
        raise unwritable(
            error,
            f"{path} cannot be written ({error.strerror or error}). Make room there, make the folder writable or move "
            "away what is in the way, then run again: training goes on from its last checkpoint, where there is one.",
        ) from None


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, allow_nan=False).encode() + b"\n"


def _write_snapshot(task: TrainTask, result: TrainingResult) -> TrainingReport:
    spec, dataset, directory = task.spec, task.dataset, task.layout.train_dir(task.name)
    fd = result.best_score if np.isfinite(result.best_score) else None
    info = {
        **task.record,
        "name": task.name,
        "classes": list(dataset.classes) if spec.class_shares else [],
        "promotable": task.candidate.may_be_promoted,
        "precision": result.precision,
        "images_seen": result.best_images_seen,
        "fd_in_loop": fd,
        "stopped": result.stopped,
        "preprocessing": dataset.preprocessing,
        "torch": torch.__version__,
    }
    files = {"training_images.npy": _training_images(task.split.ids)}
    place, sheet = task.layout.snapshot(task.name), directory / "samples" / "final.png"
    with _writing(place):
        snapshot = save_snapshot(place, result.generator, spec, info, files)
    with _writing(sheet):
        write_sample(sheet, snapshot, SAMPLE_SEED)
    return TrainingReport(
        task.name,
        result.images_seen,
        result.best_images_seen,
        fd,
        result.seconds,
        result.precision,
        result.resumed_at,
        snapshot.sha256,
        snapshot.generator_sha256,
        result.stopped,
        result.notes,
    )


def _training_images(ids: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """The .npy file of the first 8 bytes, big-endian, of each image's sha256: sorted uint64 (N,)."""
    short = np.sort(np.ascontiguousarray(ids[:, :8]).view(">u8").reshape(-1).astype(np.uint64))
    buffer = io.BytesIO()
    np.save(buffer, short, allow_pickle=False)
    return buffer.getvalue()
