"""evaluate: a candidate's snapshot and the `select` reference become its report. Nothing here can open `test`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ganops.config import Config
from ganops.data import prepared
from ganops.errors import SnapshotError
from ganops.evaluation.judge import Judge
from ganops.evaluation.offender import Offender
from ganops.evaluation.reference import select_reference, train_rows
from ganops.evaluation.report import EvaluationReport
from ganops.evaluation.sample import BATCH_SIZE
from ganops.evaluation.sharded import Sampling
from ganops.evaluation.threads import one_thread
from ganops.files import replace_directory, write_json
from ganops.layout import Layout
from ganops.models.sampling import generate
from ganops.models.snapshot import MODEL, WEIGHTS, Snapshot, load_snapshot
from ganops.progress import Progress, silent
from ganops.reports.grid import SheetRow, write_contact_sheet
from ganops.stages.evaluated import NEAREST, REPORT
from ganops.stages.sampling import sampled


def evaluate(layout: Layout, config: Config, candidate: str, progress: Progress = silent) -> EvaluationReport:
    """Score one candidate on `select` and write `evaluate/`: `report.json`, `features.npy`, and `nearest.png`, which
    shows the generated images that lie nearest to training images for their kind, each above its training image.

    Raises:
        UnknownName: no such candidate in params.yaml.
        UserError: there is no reference yet.
        SnapshotError: the candidate is not trained, or its files or the extractor's are damaged.
        DamagedFile: the prepared training images are.
        ConfigError: a device that is not there.
        RankLost: one of several processes died.
    """
    config.candidate(candidate)
    reference = select_reference(layout.reference)
    directory, settings = layout.snapshot(candidate), config.evaluate
    if not any((directory / name).exists() for name in (MODEL, WEIGHTS)):
        raise SnapshotError(f"{candidate} has not been trained: run `ganops train {candidate}`.")
    snapshot = load_snapshot(directory)
    sampling = Sampling(settings.num_images, settings.seed, BATCH_SIZE)
    sample = sampled(directory, snapshot, layout.reference / "extractor", reference, sampling, settings, progress)
    with one_thread():
        found = Judge(reference).judgement(sample)
    report = EvaluationReport(
        candidate=candidate,
        snapshot_sha256=snapshot.sha256,
        protocol=sample.protocol,
        metrics={name: estimate.measurement for name, estimate in found.estimates.items()},
        classes=found.classes,
        offenders=_in_train(layout, found.offenders),
    )
    with replace_directory(layout.evaluate_dir(candidate)) as folder:
        np.save(folder / "features.npy", sample.features, allow_pickle=False)
        if report.offenders:
            _draw(folder / NEAREST, layout, snapshot, settings.seed, report.offenders)
        write_json(folder / REPORT, report.to_json())
    return report


def _in_train(layout: Layout, offenders: Sequence[Offender]) -> tuple[Offender, ...]:
    """The same with rows of the whole `train` split, of which the reference keeps some."""
    if not offenders:
        return ()
    rows = train_rows(prepared.load(layout.prepared).counts["train"])
    return tuple(Offender(item.generated, int(rows[item.train]), item.nearness) for item in offenders)


def _draw(path: Path, layout: Layout, snapshot: Snapshot, seed: int, offenders: Sequence[Offender]) -> None:
    made = _made_again(snapshot, seed, [offender.generated for offender in offenders])
    train = prepared.load(layout.prepared).split("train").images_u8
    known = np.stack([train[offender.train] for offender in offenders])
    write_contact_sheet(path, [SheetRow("generated", made), SheetRow("training", known)])


def _made_again(snapshot: Snapshot, seed: int, rows: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Images `rows` of `seed`, (len(rows), C, H, W), out of the batches that they were in."""
    wanted, start = dict.fromkeys(rows, np.empty(0, np.uint8)), 0
    for batch in generate(snapshot.generator, max(rows) + 1, seed, BATCH_SIZE):
        wanted |= {row: batch[row - start].numpy() for row in rows if start <= row < start + len(batch)}
        start += len(batch)
    return np.stack([wanted[row] for row in rows])
