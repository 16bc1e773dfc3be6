"""What `evaluate` left of a candidate, read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganops.errors import DamagedFile, UserError
from ganops.evaluation.report import FORMAT, EvaluationReport
from ganops.files import read_json, sha256_file
from ganops.layout import Layout

if TYPE_CHECKING:  # a GPU node, which evaluates, has nothing that reads params.yaml
    from ganops.workspace import Workspace

REPORT, NEAREST = "report.json", "nearest.png"


def read_report(layout: Layout, candidate: str) -> EvaluationReport | None:
    """What `evaluate` wrote of that candidate; None where it has not been evaluated, or by older metrics only.

    Raises:
        UserError: the report is damaged or of a later version.
    """
    path = layout.evaluate_dir(candidate) / REPORT
    try:
        content = read_json(path)
        if isinstance(content, dict) and content.get("format") in range(1, FORMAT) and "metrics" in content:
            return None
        return EvaluationReport.from_json(content)
    except FileNotFoundError:
        return None
    except DamagedFile:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
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


def current_reports(workspace: Workspace) -> dict[str, EvaluationReport]:
    """Reports of the snapshots that are there now: a candidate that failed to train has only an old one."""
    reports = {}
    for name in workspace.config.candidates:
        report = read_report(workspace.layout, name)
        model = workspace.layout.snapshot_card(name)
        if report is not None and model.exists() and sha256_file(model) == report.snapshot_sha256:
            reports[name] = report
    return reports
