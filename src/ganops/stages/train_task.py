"""What one candidate is trained on and how: read, checked, and refused where it cannot be, before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from ganops.config import CandidateConfig, Config
from ganops.errors import ConfigError, WorkspaceError
from ganops.files import read_json
from ganops.layout import Layout
from ganops.models import FAMILIES, ModelSpec, family_spec
from ganops.training.checkpoint import CheckpointStore, checkpoint_key

_HOW_NOT_WHAT = frozenset({"launcher", "processes", "timeout_seconds", "cuda_graph"})
"""Keys of `train` that a checkpoint does not depend on."""


@final
@dataclass(frozen=True)
class Inputs:
    """The prepared train split and what judges generators while they train."""

    images_u8: np.ndarray[Any, np.dtype[np.uint8]]
    labels: np.ndarray[Any, np.dtype[np.int64]]
    ids: np.ndarray[Any, np.dtype[np.uint8]]
    dataset: Mapping[str, Any]
    reference_features: np.ndarray[Any, np.dtype[np.float32]]


@final
@dataclass(frozen=True)
class TrainTask:
    """One candidate's training. code_digest: of the GanOps sources that decide the result."""

    layout: Layout
    config: Config
    name: str
    spec: ModelSpec
    inputs: Inputs
    code_digest: str

    @property
    def candidate(self) -> CandidateConfig:
        return self.config.candidate(self.name)

    @property
    def occurring_classes(self) -> list[str]:
        """Names of the classes that are trained on, none for an unconditional candidate."""
        return [self.inputs.dataset["classes"][number] for number in self.spec.occurring_classes]

    @property
    def record(self) -> dict[str, Any]:
        """All that the result follows from."""
        return {
            "candidate": self.candidate.model_dump(mode="json") | {"width": self.spec.width, "z_dim": self.spec.z_dim},
            "train": self.config.train.model_dump(mode="json"),
            "seed": self.config.seed,
            "data_sha256": self.inputs.dataset["sha256"]["train"],
            "image_shape": list(self.spec.image_shape),
            "code": self.code_digest,
        }

    @property
    def checkpoints(self) -> CheckpointStore:
        """Under a key of `record`, but for how many processes it takes."""
        settings = self.config.train
        key = checkpoint_key(self.record | {"train": settings.model_dump(mode="json", exclude=set(_HOW_NOT_WHAT))})
        return CheckpointStore(self.layout.checkpoints / key, settings.checkpoints, settings.checkpoints_mb)


def train_task(layout: Layout, config: Config, candidate: str, code_digest: str) -> TrainTask:
    """Raises what `train` raises of what it finds."""
    chosen = config.candidate(candidate)
    inputs = _read_inputs(layout)
    _refuse_batch(config, candidate, len(inputs.images_u8))
    return TrainTask(layout, config, candidate, _spec(chosen, candidate, inputs), inputs, code_digest)


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


def _spec(candidate: CandidateConfig, name: str, inputs: Inputs) -> ModelSpec:
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


def _class_shares(name: str, inputs: Inputs) -> tuple[float, ...]:
    unlabelled = int((inputs.labels < 0).sum())
    if unlabelled or not inputs.dataset["classes"]:
        raise ConfigError(
            f"Candidate '{name}' in params.yaml is conditional, but {unlabelled or len(inputs.labels)} of the "
            f"{len(inputs.labels)} training images have no label. Set conditional: false, or add images with labels."
        )
    counts = np.bincount(inputs.labels, minlength=len(inputs.dataset["classes"]))
    return tuple(float(count) for count in counts / counts.sum())


def _read_inputs(layout: Layout) -> Inputs:
    prepared, reference = layout.prepared, layout.reference
    return Inputs(
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
