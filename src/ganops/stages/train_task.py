"""What one candidate is trained on and how: read, checked, and refused where it cannot be, before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ganops.config import CandidateConfig, Config
from ganops.data.prepared import PreparedDataset, PreparedSplit, load
from ganops.errors import ConfigError, WorkspaceError
from ganops.layout import Layout
from ganops.models import FAMILIES, ModelSpec, family_spec
from ganops.stages.training_report import REPORT
from ganops.training.checkpoint import CheckpointStore, checkpoint_key

_HOW_NOT_WHAT = frozenset({"launcher", "processes", "timeout_seconds", "cuda_graph"})
"""Keys of `train` that a checkpoint does not depend on."""


@final
@dataclass(frozen=True)
class TrainTask:
    """One candidate's training.

    split: what is trained on. code_digest: of the GanOps sources that decide the result.
    """

    layout: Layout
    config: Config
    name: str
    spec: ModelSpec
    dataset: PreparedDataset
    split: PreparedSplit
    code_digest: str

    @property
    def candidate(self) -> CandidateConfig:
        return self.config.candidate(self.name)

    @property
    def occurring_classes(self) -> list[str]:
        """Names of the classes that are trained on, none for an unconditional candidate."""
        return [self.dataset.classes[number] for number in self.spec.occurring_classes]

    @property
    def record(self) -> dict[str, Any]:
        """All that the result follows from."""
        return {
            "candidate": self.candidate.model_dump(mode="json") | {"width": self.spec.width, "z_dim": self.spec.z_dim},
            "train": self.config.train.model_dump(mode="json"),
            "seed": self.config.seed,
            "data_sha256": self.split.sha256,
            **({"labels_sha256": self.split.labels_sha256} if self.spec.class_shares else {}),
            "image_shape": list(self.spec.image_shape),
            "code": self.code_digest,
        }

    @property
    def checkpoints(self) -> CheckpointStore:
        """The candidate's own, under a key of `record`, but for how many processes it takes."""
        settings = self.config.train
        key = checkpoint_key(self.record | {"train": settings.model_dump(mode="json", exclude=set(_HOW_NOT_WHAT))})
        return CheckpointStore(self.layout.checkpoints / self.name / key, settings.checkpoints, settings.checkpoints_mb)


def train_task(layout: Layout, config: Config, candidate: str, code_digest: str) -> TrainTask:
    """Raises what `train` raises of what it finds."""
    chosen = config.candidate(candidate)
    _refuse_what_is_in_the_way(layout, candidate)
    dataset = load(layout.prepared)
    split = dataset.split("train")
    _refuse_batch(config, candidate, len(split))
    return TrainTask(layout, config, candidate, _spec(chosen, candidate, dataset, split), dataset, split, code_digest)


def _refuse_what_is_in_the_way(layout: Layout, name: str) -> None:
    """Raises WorkspaceError: what would only be found out when the training is over."""
    emptied = (layout.train_dir(name) / "samples", layout.snapshot(name))  # not what a link leads to
    for path in (*emptied, layout.train_dir(name), layout.checkpoints):
        if (path.is_symlink() and path in emptied) or (path.exists() and not path.is_dir()):
            raise WorkspaceError(f"{path} is in the way: a folder belongs there. Move it away, then train again.")
    report = layout.train_dir(name) / REPORT
    if report.is_dir():
        raise WorkspaceError(f"{report} is in the way: a file belongs there. Move it away, then train again.")


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


def _spec(candidate: CandidateConfig, name: str, dataset: PreparedDataset, split: PreparedSplit) -> ModelSpec:
    """Raises ConfigError for images that the family cannot do, and for classes that are not there."""
    channels, height, width = dataset.image_shape
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
        _class_shares(name, dataset, split) if candidate.conditional else (),
        bool(candidate.spectral_norm),
    )


def _class_shares(name: str, dataset: PreparedDataset, split: PreparedSplit) -> tuple[float, ...]:
    unlabelled = int((split.labels < 0).sum())
    if unlabelled or not dataset.classes:
        raise ConfigError(
            f"Candidate '{name}' in params.yaml is conditional, but {unlabelled or len(split.labels)} of the "
            f"{len(split.labels)} training images have no label. Set conditional: false, or add images with labels."
        )
    counts = np.bincount(split.labels, minlength=len(dataset.classes))
    return tuple(float(count) for count in counts / counts.sum())
