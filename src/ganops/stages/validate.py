"""validate: the raw images are checked against the rules of params.yaml; a critical failure stops everything."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ganops.config import Config, RowRule, ValidateConfig
from ganops.data.manifest import check
from ganops.data.prepare import digests_to_array
from ganops.data.validated import ACCEPTED, VERDICT
from ganops.errors import ValidationFailed
from ganops.files import replace_directory, write_json
from ganops.layout import Layout
from ganops.ports import DataValidator, RuleResult
from ganops.progress import Progress, silent

SHOWN_OFFENDERS = 5
LISTED_OFFENDERS = 10_000


@final
@dataclass(frozen=True)
class ValidationReport:
    """What `validate` found."""

    success: bool
    """No critical rule failed."""
    images: int
    accepted: int
    results: tuple[RuleResult, ...]
    folder: Path
    """Holds verdict.json, accepted.npy, offenders.json and docs/index.html."""

    @property
    def refused(self) -> int:
        return self.images - self.accepted

    @property
    def warnings(self) -> tuple[RuleResult, ...]:
        """Rules that do not hold but do not block."""
        return tuple(result for result in self.results if not result.success and result.severity == "warning")


def validate(layout: Layout, config: Config, validator: DataValidator, progress: Progress = silent) -> ValidationReport:
    """Hash, decode and measure every stored image again, and judge the result by `config.validation`.

    `data/validated` is written either way and says which; after a failure a copy lies in `.ganops/validation`, since
    a failed stage's outputs may be cleared away.

    Raises:
        UserError: there are no images yet.
        SourceRefused: a shard is damaged.
        ValidationFailed: a critical rule does not hold; names rule, count and the first offending images.
    """
    manifest = check(layout.raw, progress)
    with replace_directory(layout.validated) as folder:
        results = tuple(validator.validate(manifest, config.validation, folder / "docs"))
        accepted = _accepted(manifest, results, config.validation)
        success = all(result.success or result.severity != "critical" for result in results)
        report = ValidationReport(success, manifest.num_rows, int(accepted.sum()), results, layout.validated)
        _write(folder, report, manifest, accepted)
    failed = layout.state / "validation"
    shutil.rmtree(failed, ignore_errors=True)
    if not success:
        with replace_directory(failed) as folder:
            shutil.copytree(layout.validated, folder, dirs_exist_ok=True)
        raise ValidationFailed(_complaint(report, manifest, failed))
    return report


def _accepted(manifest: pa.Table, results: Sequence[RuleResult], rules: ValidateConfig) -> npt.NDArray[np.bool_]:
    """Which images may be used: all that decode and offend no critical rule on single images."""
    accepted = np.array(manifest.column("decodable").to_pylist(), dtype=bool)
    for result in results:
        if result.severity == "critical" and isinstance(getattr(rules, result.rule), RowRule):
            accepted[list(result.offenders)] = False
    return accepted


def _write(folder: Path, report: ValidationReport, manifest: pa.Table, accepted: npt.NDArray[np.bool_]) -> None:
    digests = np.array(manifest.column("sha256").to_pylist(), dtype=object)[accepted]
    np.save(folder / ACCEPTED, digests_to_array(list(digests)))
    write_json(folder / VERDICT, _verdict(report, manifest))
    write_json(
        folder / "offenders.json",
        {
            result.rule: [_offender(manifest, row) for row in result.offenders[:LISTED_OFFENDERS]]
            for result in report.results
            if result.offenders
        },
    )


def _verdict(report: ValidationReport, manifest: pa.Table) -> dict[str, Any]:
    return {
        "success": report.success,
        "images": report.images,
        "accepted": report.accepted,
        "refused": report.refused,
        "rules": [
            {
                "rule": result.rule,
                "severity": result.severity,
                "success": result.success,
                "observed": result.observed,
                "expected": result.expected,
                "offenders": len(result.offenders),
                "first_offenders": [_offender(manifest, row) for row in result.offenders[:SHOWN_OFFENDERS]],
            }
            for result in report.results
        ],
    }


def _offender(manifest: pa.Table, row: int) -> dict[str, Any]:
    return {"row": row} | {name: manifest.column(name)[row].as_py() for name in ("path", "source", "label", "sha256")}


def _complaint(report: ValidationReport, manifest: pa.Table, folder: Path) -> str:
    failures = [result for result in report.results if not result.success and result.severity == "critical"]
    return (
        f"The images do not pass validation: {'; '.join(_failure(result, manifest) for result in failures)}. "
        f"The verdict is in {folder / VERDICT}, every offender in {folder / 'offenders.json'}, and pages to look at "
        f"in {folder / 'docs' / 'index.html'}. Mend the images, or change 'validation' in params.yaml."
    )


def _failure(result: RuleResult, manifest: pa.Table) -> str:
    text = f"rule '{result.rule}' expects {result.expected}, but found {result.observed}"
    if not result.offenders:
        return text
    offenders = [_offender(manifest, row) for row in result.offenders[:SHOWN_OFFENDERS]]
    shown = ", ".join(f"{offender['path']} (of {offender['source']})" for offender in offenders)
    return f"{text}; {len(result.offenders)} of {manifest.num_rows} images offend it, first {shown}"
