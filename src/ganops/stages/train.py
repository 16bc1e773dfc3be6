"""`train`: data/prepared and data/reference in, data/candidates/NAME/train out."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ganops.config import CandidateConfig, Config
from ganops.errors import ConfigError, WorkspaceError
from ganops.evaluation.extractors import load_extractor
from ganops.evaluation.frechet import FeatureStats, frechet_distance
from ganops.files import read_json, write_bytes
from ganops.layout import Layout
from ganops.models import Generator, ModelSpec, generate, save_snapshot
from ganops.progress import Progress, silent
from ganops.reports.grid import write_grid
from ganops.training.checkpoint import CheckpointStore, checkpoint_key
from ganops.training.loop import SAMPLE_SEED, SAMPLES, TrainingResult
from ganops.training.loop import train as run_training

STATS = "stats.jsonl"
SCORE_SEED = 0


@final
@dataclass(frozen=True)
class TrainingReport:
    """What a training came to. fd: Fréchet distance of the kept generator on `select`, as measured in the loop."""

    candidate: str
    images_seen: int
    best_images_seen: int
    fd: float | None
    seconds: float
    precision: str
    resumed_at: int
    snapshot_sha256: str
    generator_sha256: str
    notes: tuple[str, ...]


@final
@dataclass(frozen=True)
class _Inputs:
    """The prepared train split and what judges generators while they train."""

    images_u8: np.ndarray[Any, np.dtype[np.uint8]]
    ids: np.ndarray[Any, np.dtype[np.uint8]]
    dataset: Mapping[str, Any]
    reference_features: np.ndarray[Any, np.dtype[np.float32]]


def train(
    layout: Layout, config: Config, candidate: str, code_digest: str, progress: Progress = silent
) -> TrainingReport:
    """Train one candidate, or go on where it was interrupted, and keep its best generator as a snapshot.

    code_digest: digest of the GanOps sources that decide the result; a checkpoint of other sources is not resumed.

    Raises:
        UnknownName: no such candidate in params.yaml.
        ConfigError: a batch larger than the train split, or a device that is not there.
        WorkspaceError: an earlier stage has not run, or the workspace is not writable.
        TrainingFailed: a loss is not finite.
    """
    chosen = config.candidate(candidate)
    inputs = _read_inputs(layout)
    if config.train.batch_size > len(inputs.images_u8):
        raise ConfigError(
            f"'train.batch_size' in params.yaml is {config.train.batch_size}, but the train split has only "
            f"{len(inputs.images_u8)} images. Lower the batch size or add images."
        )
    channels, height, width = inputs.images_u8.shape[1:]
    spec = ModelSpec(chosen.family, (channels, height, width), chosen.z_dim, chosen.width)
    inputs_of_training = {
        "candidate": chosen.model_dump(mode="json"),
        "train": config.train.model_dump(mode="json"),
        "seed": config.seed,
        "data_sha256": inputs.dataset["sha256"]["train"],
        "image_shape": list(spec.image_shape),
        "code": code_digest,
    }
    checkpoints = CheckpointStore(layout.checkpoints / checkpoint_key(inputs_of_training))
    result = run_training(
        inputs.images_u8,
        spec,
        chosen,
        config.train,
        config.seed,
        _scorer(layout, inputs, config.train.evaluate_images),
        checkpoints,
        _Files(layout.train_dir(candidate)),
        progress,
    )
    report = _write_snapshot(layout, candidate, chosen, spec, inputs, inputs_of_training, result)
    checkpoints.clear()
    return report


def _read_inputs(layout: Layout) -> _Inputs:
    prepared, reference = layout.prepared, layout.reference
    return _Inputs(
        images_u8=_array(prepared / "train" / "images.npy", "prepare"),
        ids=_array(prepared / "train" / "ids.npy", "prepare"),
        dataset=_json(prepared / "dataset.json", "prepare"),
        reference_features=_array(reference / "select" / "features.npy", "reference"),
    )


def _array(path: Path, stage: str) -> np.ndarray[Any, Any]:
    try:
        array: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        raise _missing(path, stage) from None
    return array


def _json(path: Path, stage: str) -> Mapping[str, Any]:
    try:
        value: Mapping[str, Any] = read_json(path)
    except (OSError, ValueError):
        raise _missing(path, stage) from None
    return value


def _missing(path: Path, stage: str) -> WorkspaceError:
    return WorkspaceError(
        f"{path} is missing or cannot be read. Run `ganops {stage}` first, or all of it with `ganops run`."
    )


def _scorer(layout: Layout, inputs: _Inputs, count: int) -> Callable[[Generator], float]:
    """Fréchet distance on `select`, from the same z each time."""
    extractor = load_extractor(layout.reference / "extractor")
    reference = FeatureStats.from_features(inputs.reference_features)

    def score(generator: Generator) -> float:
        device = next(generator.parameters()).device
        images_u8 = torch.cat(list(generate(generator, count, SCORE_SEED, device=device)))
        return frechet_distance(FeatureStats.from_features(extractor.features(images_u8)), reference)

    return score


@final
class _Files:
    """Follows a training with stats.jsonl, for the flow to read live, and sample grids."""

    def __init__(self, directory: Path) -> None:
        self._stats, self._samples = directory / STATS, directory / "samples"

    def begin(self, lines: list[dict[str, Any]]) -> None:
        shutil.rmtree(self._samples, ignore_errors=True)
        try:
            write_bytes(self._stats, b"".join(_encoded(line) for line in lines))
        except OSError as error:
            raise WorkspaceError(f"{self._stats} cannot be written ({error.strerror}).") from None

    def line(self, line: Mapping[str, Any]) -> None:
        with self._stats.open("ab") as file:
            file.write(_encoded(line))

    def samples(self, images_seen: int, images_u8: Tensor) -> None:
        write_grid(self._samples / f"{images_seen:012d}.png", images_u8.numpy())


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, allow_nan=False).encode() + b"\n"


def _write_snapshot(
    layout: Layout,
    name: str,
    candidate: CandidateConfig,
    spec: ModelSpec,
    inputs: _Inputs,
    inputs_of_training: Mapping[str, Any],
    result: TrainingResult,
) -> TrainingReport:
    fd = result.best_score if np.isfinite(result.best_score) else None
    info = {
        **inputs_of_training,
        "name": name,
        "promotable": candidate.promotable,
        "precision": result.precision,
        "images_seen": result.best_images_seen,
        "fd_in_loop": fd,
        "preprocessing": inputs.dataset.get("preprocessing"),
        "torch": torch.__version__,
    }
    files = {"training_images.npy": _training_images(inputs.ids)}
    snapshot = save_snapshot(layout.snapshot(name), result.generator, spec, info, files)
    (images_u8,) = generate(snapshot.generator, SAMPLES, SAMPLE_SEED, SAMPLES)
    write_grid(layout.train_dir(name) / "samples" / "final.png", images_u8.numpy())
    return TrainingReport(
        name,
        result.images_seen,
        result.best_images_seen,
        fd,
        result.seconds,
        result.precision,
        result.resumed_at,
        snapshot.sha256,
        snapshot.generator_sha256,
        result.notes,
    )


def _training_images(ids: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """The .npy file of the first 8 bytes, big-endian, of each image's sha256: sorted uint64 (N,)."""
    short = np.sort(np.ascontiguousarray(ids[:, :8]).view(">u8").reshape(-1).astype(np.uint64))
    buffer = io.BytesIO()
    np.save(buffer, short, allow_pickle=False)
    return buffer.getvalue()
