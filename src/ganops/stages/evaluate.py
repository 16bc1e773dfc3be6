"""evaluate: a candidate's snapshot and the `select` reference become its report. Nothing here can open `test`."""

from __future__ import annotations

import numpy as np

from ganops.config import Config
from ganops.errors import DamagedFile, UserError
from ganops.evaluation.extractors import load_extractor
from ganops.evaluation.frechet import frechet_distance_of
from ganops.evaluation.judge import Judge
from ganops.evaluation.reference import select_reference
from ganops.evaluation.report import EvaluationReport
from ganops.evaluation.sample import read_training_images, take_sample
from ganops.evaluation.threads import one_thread
from ganops.files import read_json, replace_directory, write_json
from ganops.layout import Layout
from ganops.models.snapshot import load_snapshot
from ganops.progress import Progress, silent

REPORT = "report.json"


def evaluate(layout: Layout, config: Config, candidate: str, progress: Progress = silent) -> EvaluationReport:
    """Score one candidate on `select` and write `evaluate/report.json` and `evaluate/features.npy`.

    Raises:
        UnknownName: no such candidate in params.yaml.
        UserError: there is no reference yet.
        SnapshotError: the candidate is not trained, or its files or the extractor's are damaged.
    """
    config.candidate(candidate)
    reference = select_reference(layout.reference)
    extractor = load_extractor(layout.reference / "extractor")
    directory = layout.snapshot(candidate)
    snapshot = load_snapshot(directory)
    training_images = read_training_images(directory, snapshot)
    settings = config.evaluate
    with one_thread():
        sample = take_sample(
            snapshot, training_images, extractor, reference, settings.num_images, settings.seed, progress
        )
        estimates = Judge(reference).estimates(sample.features, sample.classes)
        plain = frechet_distance_of(sample.features, reference.features)
    report = EvaluationReport(
        candidate=candidate,
        snapshot_sha256=snapshot.sha256,
        protocol=sample.protocol,
        metrics={name: estimate.measurement for name, estimate in estimates.items()},
        plain_fd=plain,
    )
    with replace_directory(layout.evaluate_dir(candidate)) as folder:
        np.save(folder / "features.npy", sample.features, allow_pickle=False)
        write_json(folder / REPORT, report.to_json())
    return report


def read_report(layout: Layout, candidate: str) -> EvaluationReport | None:
    """What `evaluate` wrote of that candidate; None where it has not been evaluated.

    Raises:
        UserError: the report is damaged or of another version.
    """
    path = layout.evaluate_dir(candidate) / REPORT
    try:
        return EvaluationReport.from_json(read_json(path))
    except FileNotFoundError:
        return None
    except DamagedFile:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): run `ganops evaluate {candidate}` again.") from None


def require_report(layout: Layout, candidate: str) -> EvaluationReport:
    """As `read_report`, where it must be there.

    Raises:
        UserError: it is not, or is damaged.
    """
    report = read_report(layout, candidate)
    if report is None:
        raise UserError(f"{candidate} has not been evaluated: run `ganops evaluate {candidate}`.")
    return report
