"""report: what a run came to, as a value and as one page to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ganops.data import prepared
from ganops.data.validated import read_verdict
from ganops.evaluation.report import EvaluationReport
from ganops.files import read_json, read_text
from ganops.layout import Layout
from ganops.ports import ModelRegistry
from ganops.provenance.journal import Journal
from ganops.reports.page import Page, write_page
from ganops.reports.summary import CandidateRow, RunSummary
from ganops.stages.evaluated import NEAREST, current_reports
from ganops.stages.promotion import Promotion
from ganops.stages.registration import Registration
from ganops.stages.training_report import read_training_report
from ganops.workspace import Workspace

_SHOWN_METRICS = ("precision", "recall", "coverage", "class_coverage", "kernel_distance")


def report(
    workspace: Workspace,
    registry: ModelRegistry,
    journal: Journal,
    changed: bool,
    registration: Registration,
    promotion: Promotion,
    failures: Mapping[str, str],
    lineage: Mapping[str, str],
) -> RunSummary:
    """Write `reports/run-TIME.html`, and `reports/latest.html` beside it; returns the run's summary.

    changed: something was stale. lineage: what the caller knows of data version, commit and flow run.
    """
    layout, now = workspace.layout, datetime.now(UTC)
    reports = current_reports(workspace)
    rows = _rows(workspace, reports, failures)
    page_path = layout.reports / f"run-{now:%Y%m%d-%H%M%S}.html"
    versions = registry.versions()
    version = next(item for item in versions if item.version == registration.version.version)
    champion = next((item.version for item in versions if "champion" in item.aliases), None)
    summary = RunSummary(
        changed=changed,
        score=next(iter(reports.values())).score_name,
        candidates=rows,
        decision=promotion.outcome,
        sentence=promotion.sentence,
        checks=tuple(check.to_json() for check in promotion.decision.checks) if promotion.decision else (),
        model=version.name,
        version=version.version,
        stage=version.stage,
        aliases=version.aliases,
        champion=champion,
        page=page_path,
        grids={name: layout.train_dir(name) / "samples" / "final.png" for name in reports},
    )
    page = _page(
        layout, journal, summary, {row.name: reports[row.name] for row in rows if not row.failure}, lineage, now
    )
    for path in (page_path, layout.reports / "latest.html"):
        write_page(path, page)
    return summary


def _rows(
    workspace: Workspace, reports: Mapping[str, EvaluationReport], failures: Mapping[str, str]
) -> tuple[CandidateRow, ...]:
    """Best first, failed ones last."""
    rows = []
    for name, candidate in workspace.config.candidates.items():
        found = None if name in failures else reports.get(name)
        if found is None:
            why = failures.get(name, "not evaluated")
            rows.append(CandidateRow(name, candidate.family, None, None, None, {}, why))
        else:
            metrics = {metric: found.metrics[metric].value for metric in _SHOWN_METRICS if metric in found.metrics}
            fd, training = found.fd_star, read_training_report(workspace.layout, name)
            remarks = training.remarks if training else ()
            rows.append(CandidateRow(name, candidate.family, fd.value, fd.low, fd.high, metrics, remarks=remarks))
    return tuple(sorted(rows, key=lambda row: (row.fd is None, row.fd or 0.0)))


def _page(
    layout: Layout,
    journal: Journal,
    summary: RunSummary,
    reports: Mapping[str, EvaluationReport],
    lineage: Mapping[str, str],
    now: datetime,
) -> Page:
    reference = read_json(layout.reference / "reference.json")
    dataset = prepared.load(layout.prepared)
    facts = [
        *lineage.items(),
        ("images", ", ".join(f"{split} {count}" for split, count in dataset.counts.items())),
        ("preprocessing", dataset.preprocessing),
        ("train split (sha256)", dataset.sha256["train"]),
        ("extractor", f"{reference['extractor']['kind']}, sha256 {reference['extractor']['sha256']}"),
        ("its held-out accuracy", _accuracy(reference["extractor"])),
        ("test reference", str(reference["splits"]["test"]["hash"])),
    ]
    return Page(
        summary=summary,
        workspace_name=layout.root.name,
        created=f"{now:%Y-%m-%d %H:%M} UTC",
        curves={row.name: _stats(layout.train_dir(row.name) / "stats.jsonl") for row in summary.candidates},
        grids=summary.grids,
        lineage=facts,
        history=[
            {"time": entry.time, "event": entry.event, "version": entry.version, "reason": entry.reason}
            for entry in journal.entries()
        ],
        validation=_validation(layout),
        scores={name: report.metrics for name, report in reports.items()},
        classes={name: report.classes for name, report in reports.items() if report.classes},
        nearest={name: layout.evaluate_dir(name) / NEAREST for name, report in reports.items() if report.offenders},
        links={"Data Docs": "../data/validated/docs/index.html", "params.yaml": "../params.yaml"},
    )


def _accuracy(extractor: Mapping[str, Any]) -> str:
    accuracy, task = extractor["accuracy"], extractor["task"]
    return f"none: its task was {task}" if accuracy is None else f"{accuracy:.3f} ({task})"


def _validation(layout: Layout) -> list[Mapping[str, Any]]:
    return list(read_verdict(layout.validated)["rules"])


def _stats(path: Path) -> list[Mapping[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in read_text(path).splitlines()]
