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
from ganops.models import FAMILIES, Generator, ModelSpec, family_spec, generate, save_snapshot
from ganops.progress import Progress, silent
from ganops.reports.grid import write_grid
from ganops.stages.sample import write_sample
from ganops.training.checkpoint import CheckpointStore, checkpoint_key
from ganops.training.guard import Evaluation
from ganops.training.loop import SAMPLE_SEED, TrainingResult
from ganops.training.loop import train as run_training

STATS = "stats.jsonl"
SCORE_SEED = 0


@final
@dataclass(frozen=True)
class TrainingReport:
    """What a training came to.

    fd: Fréchet distance of the kept generator on `select`, as measured in the loop. stopped: why the guard ended
    the training before its time, else None.
    """

    candidate: str
    images_seen: int
    best_images_seen: int
    fd: float | None
    seconds: float
    precision: str
    resumed_at: int
    snapshot_sha256: str
    generator_sha256: str
    stopped: str | None
    notes: tuple[str, ...]


@final
@dataclass(frozen=True)
class _Inputs:
    """The prepared train split and what judges generators while they train."""

    images_u8: np.ndarray[Any, np.dtype[np.uint8]]
    labels: np.ndarray[Any, np.dtype[np.int64]]
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
        ConfigError: what the candidate cannot do with this data or on this machine.
        WorkspaceError: an earlier stage has not run, or the workspace is not writable.
        TrainingFailed: a number was not finite, again and again.
    """
    chosen = config.candidate(candidate)
    inputs = _read_inputs(layout)
    _refuse_batch(config, candidate, len(inputs.images_u8))
    spec = _spec(chosen, candidate, inputs)
    inputs_of_training = {
        "candidate": chosen.model_dump(mode="json") | {"width": spec.width, "z_dim": spec.z_dim},
        "train": config.train.model_dump(mode="json"),
        "seed": config.seed,
        "data_sha256": inputs.dataset["sha256"]["train"],
        "image_shape": list(spec.image_shape),
        "code": code_digest,
    }
    folder = layout.checkpoints / checkpoint_key(inputs_of_training)
    checkpoints = CheckpointStore(folder, config.train.checkpoints, config.train.checkpoints_mb)
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
        inputs.labels,
    )
    report = _write_snapshot(layout, candidate, chosen, spec, inputs, inputs_of_training, result)
    checkpoints.clear()
    return report


def _refuse_batch(config: Config, name: str, num_images: int) -> None:
    """Raises ConfigError for a size of batch that this candidate or this data cannot do."""
    size, micro = config.train.batch_size, config.train.micro_batch
    family = FAMILIES[config.candidate(name).family]
    mixing = family.batch_norm or family.generator_batch_norm
    if size > num_images:
        raise ConfigError(
            f"'train.batch_size' in params.yaml is {size}, but the train split has only {num_images} images. "
            "Lower the batch size or add images."
        )
    if size == 1 and mixing:
        raise ConfigError(
            f"'train.batch_size' in params.yaml is 1, but candidate '{name}' has batch norm, which needs several "
            "images to have statistics of. Raise the batch size, or choose a family without batch norm such as lite."
        )
    if micro is not None and micro < size and mixing:
        raise ConfigError(
            f"'train.micro_batch' in params.yaml is {micro}, below the batch size {size}, but candidate '{name}' has "
            "batch norm, for which a part of a batch is another batch. Set micro_batch: null and lower batch_size, or "
            "choose a family without batch norm such as lite."
        )


def _spec(candidate: CandidateConfig, name: str, inputs: _Inputs) -> ModelSpec:
    """Raises ConfigError for images that the family cannot do, and for classes that are not there."""
    channels, height, width = inputs.images_u8.shape[1:]
    family = FAMILIES[candidate.family]
    if refusal := family.refusal((channels, height, width)):
        raise ConfigError(
            f"Candidate '{name}' in params.yaml has family {candidate.family}, which cannot make {channels}-channel "
            f"images of {height}x{width}: {refusal}. Choose another family, or set data.image_size."
        )
    return family_spec(
        candidate.family,
        (channels, height, width),
        candidate.width,
        candidate.z_dim,
        _class_shares(name, inputs) if candidate.conditional else (),
        candidate.spectral_norm,
    )


def _class_shares(name: str, inputs: _Inputs) -> tuple[float, ...]:
    unlabelled = int((inputs.labels < 0).sum())
    if unlabelled or not inputs.dataset["classes"]:
        raise ConfigError(
            f"Candidate '{name}' in params.yaml is conditional, but {unlabelled or len(inputs.labels)} of the "
            f"{len(inputs.labels)} training images have no label. Set conditional: false, or add images with labels."
        )
    counts = np.bincount(inputs.labels, minlength=len(inputs.dataset["classes"]))
    return tuple(float(count) for count in counts / counts.sum())


def _read_inputs(layout: Layout) -> _Inputs:
    prepared, reference = layout.prepared, layout.reference
    return _Inputs(
        images_u8=_array(prepared / "train" / "images.npy", "prepare"),
        labels=_array(prepared / "train" / "labels.npy", "prepare"),
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


def _scorer(layout: Layout, inputs: _Inputs, count: int) -> Callable[[Generator], Evaluation]:
    """Fréchet distance on `select` and diversity against it, from the same z each time."""
    extractor = load_extractor(layout.reference / "extractor")
    reference = FeatureStats.from_features(inputs.reference_features)

    def score(generator: Generator) -> Evaluation:
        device = next(generator.parameters()).device
        images_u8 = torch.cat(list(generate(generator, count, SCORE_SEED, device=device)))
        generated = FeatureStats.from_features(extractor.features(images_u8))
        diversity = float(np.trace(generated.sigma) / np.trace(reference.sigma))
        return Evaluation(frechet_distance(generated, reference), diversity)

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
        "classes": list(inputs.dataset["classes"]) if spec.class_shares else [],
        "promotable": candidate.may_be_promoted,
        "precision": result.precision,
        "images_seen": result.best_images_seen,
        "fd_in_loop": fd,
        "stopped": result.stopped,
        "preprocessing": inputs.dataset.get("preprocessing"),
        "torch": torch.__version__,
    }
    files = {"training_images.npy": _training_images(inputs.ids)}
    snapshot = save_snapshot(layout.snapshot(name), result.generator, spec, info, files)
    write_sample(layout.train_dir(name) / "samples" / "final.png", snapshot, SAMPLE_SEED)
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
        result.stopped,
        result.notes,
    )


def _training_images(ids: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """The .npy file of the first 8 bytes, big-endian, of each image's sha256: sorted uint64 (N,)."""
    short = np.sort(np.ascontiguousarray(ids[:, :8]).view(">u8").reshape(-1).astype(np.uint64))
    buffer = io.BytesIO()
    np.save(buffer, short, allow_pickle=False)
    return buffer.getvalue()
