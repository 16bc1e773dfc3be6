"""register: the best candidate on `select` becomes a model version and the challenger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from ganops.errors import WorkspaceError
from ganops.evaluation.report import EvaluationReport
from ganops.files import sha256_file
from ganops.models.snapshot import MODEL, load_snapshot
from ganops.ports import ModelRegistry, ModelVersion
from ganops.provenance.journal import Journal
from ganops.stages.evaluate import read_report
from ganops.workspace import Workspace


@final
@dataclass(frozen=True)
class Registration:
    """The challenger, and whether it is a new version."""

    version: ModelVersion
    candidate: str
    new: bool
    sentence: str


def register(
    workspace: Workspace, registry: ModelRegistry, journal: Journal, run_of: Callable[[str], str]
) -> Registration:
    """Register the best promotable candidate, unless that very snapshot is a version already.

    run_of: the tracked run of a candidate.

    Raises:
        WorkspaceError: nothing promotable was evaluated.
        RegistryError: the registry does not answer.
    """
    name, report = best(workspace)
    snapshot = load_snapshot(workspace.layout.snapshot(name))
    known = next((version for version in registry.versions() if version.snapshot_sha256 == snapshot.sha256), None)
    if known is not None:
        if not any(item.version == known.version and item.event == "registered" for item in journal.of(known.name)):
            entered = {"model": known.name, "candidate": name, "snapshot": snapshot.sha256}
            journal.append("registered", known.version, f"{name} has the lowest distance on select", entered)
        return Registration(known, name, False, f"{name} is the best candidate, and is version {known.version} already")
    score, fd = report.protocol.score, report.fd_star
    figure = f"{score} {fd.value:z.2f} (95 % {fd.low:z.2f} to {fd.high:z.2f})"
    tags = {"ganops.candidate": name, "ganops.score": score, "ganops.fd": f"{fd.value:.6g}"}
    version = registry.register(workspace.layout.snapshot(name), snapshot.sha256, run_of(name), tags)
    reason = f"{name} has the lowest distance on select: {figure}"
    details = {"model": version.name, "candidate": name, "snapshot": snapshot.sha256, "fd": fd.value}
    journal.append("registered", version.version, reason, details)
    return Registration(version, name, True, f"Registered {name} as version {version.version}: {figure} on select")


def best(workspace: Workspace) -> tuple[str, EvaluationReport]:
    """The promotable candidate with the lowest FD* on `select`."""
    reports = {
        name: report
        for name, report in current_reports(workspace).items()
        if workspace.config.candidates[name].may_be_promoted
    }
    if not reports:
        raise WorkspaceError(
            "No candidate that may be promoted has been evaluated. Run `ganops run`, or set `promotable: true` for one."
        )
    return min(reports.items(), key=lambda item: item[1].fd_star.value)


def current_reports(workspace: Workspace) -> dict[str, EvaluationReport]:
    """Reports of the snapshots that are there now: a candidate that failed to train has only an old one."""
    reports = {}
    for name in workspace.config.candidates:
        report = read_report(workspace.layout, name)
        model = workspace.layout.snapshot(name) / MODEL
        if report is not None and model.exists() and sha256_file(model) == report.snapshot_sha256:
            reports[name] = report
    return reports
