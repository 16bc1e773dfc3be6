"""Samples as evaluation and the gate take them: on the configured device, by one process or several."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from ganops.config import EvaluateConfig
from ganops.errors import ConfigError
from ganops.evaluation.extractors import Extractor, load_extractor
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sample import Sample, check_extractor, read_training_images, rows_of, sample_of
from ganops.evaluation.sharded import ALONE, Crew, Sampling
from ganops.models.snapshot import Snapshot
from ganops.progress import Progress, silent
from ganops.training.precision import resolve_device
from ganops.training.torchrun import Launch, run_ranks

_ROWS = "rows.safetensors"
_DEVICE = "evaluate.device"
_TIMEOUT_SECONDS = 3600.0
"""The processes' shares are equal, but not all of them need be equally fast."""


def sampled(
    directory: Path,
    snapshot: Snapshot,
    extractor_directory: Path,
    reference: ReferenceSample,
    sampling: Sampling,
    settings: EvaluateConfig,
    progress: Progress = silent,
) -> Sample:
    """What the reference's extractor sees in images that `snapshot`, loaded from `directory`, makes now.

    Raises:
        IncomparableReports: the extractor is not the reference's, or the images are of another shape.
        SnapshotError: the extractor's files or the list of training images are damaged.
        ExtractorError: a feature is not a finite number.
        ConfigError: a device that is not there.
        RankLost: one of several processes was killed, or failed in a way that nobody foresaw.
    """
    training_images = read_training_images(directory, snapshot)
    extractor = load_extractor(extractor_directory)
    check_extractor(extractor, reference)
    device = resolve_device(settings.device, key=_DEVICE)
    if settings.processes == 1:
        rows, where = rows_on(device, snapshot, extractor, sampling, progress=progress)
        assert rows is not None
    else:
        _check_count(device, settings.processes)
        rows, where = _rows_by_several(directory, extractor_directory, sampling, settings, progress)
    return sample_of(rows, snapshot, training_images, extractor, reference, sampling.seed, where)


def rows_on(
    device: torch.device,
    snapshot: Snapshot,
    extractor: Extractor,
    sampling: Sampling,
    crew: Crew = ALONE,
    progress: Progress = silent,
) -> tuple[dict[str, Tensor] | None, str]:
    """`rows_of`, and the kind of device that the features were computed on."""
    there = extractor if device == extractor.device else extractor.to(device)
    generator = copy.deepcopy(snapshot.generator).to(device)
    return rows_of(generator, there, sampling, crew, progress), there.device.type


def _rows_by_several(
    directory: Path, extractor_directory: Path, sampling: Sampling, settings: EvaluateConfig, progress: Progress
) -> tuple[dict[str, Tensor], str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _ROWS
        job = {
            "snapshot": str(directory.resolve()),
            "extractor": str(extractor_directory.resolve()),
            "sampling": asdict(sampling),
            "device": settings.device,
            "rows": str(path),
        }
        launch = Launch(settings.processes, settings.device, _TIMEOUT_SECONDS)
        report = run_ranks("ganops.stages.sampling_rank", Path(folder) / "ranks", job, launch, progress)
        return safetensors.torch.load_file(path), str(report["device"])


def _check_count(device: torch.device, processes: int) -> None:
    if device.type == "cuda" and processes > torch.cuda.device_count():
        raise ConfigError(
            f"'evaluate.processes' in params.yaml is {processes}, but there are {torch.cuda.device_count()} CUDA "
            "devices on this machine, and each process takes one. Lower it."
        )
