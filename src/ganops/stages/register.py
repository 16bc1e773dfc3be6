"""register: the best candidate on `select` becomes a model version and the challenger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ganops.errors import WorkspaceError
from ganops.evaluation.report import EvaluationReport
from ganops.models.snapshot import load_snapshot
from ganops.stages.evaluated import current_reports
from ganops.stages.registrar import Registrar
from ganops.stages.registration import Registration
from ganops.stages.session import opened
from ganops.stages.standing import settle, standing_of
from ganops.stages.versions import version_of
from ganops.workspace import Workspace


def register(workspace: Workspace, registrar: Registrar, run_of: Callable[[str], str]) -> Registration:
    """Register the best promotable candidate as the challenger, unless that very snapshot is a version already.

    What a killed process left half-done is completed.

    run_of: the tracked run of a candidate.

    Raises:
        WorkspaceError: nothing promotable was evaluated.
        RegistryError: the registry does not answer.
    """
    name, report = best(workspace)
    snapshot = load_snapshot(workspace.layout.snapshot(name))
    fd = report.fd_star
    figure = f"{report.score_name} {fd.value:z.2f} (95 % {fd.low:z.2f} to {fd.high:z.2f})"
    registry, journal = registrar.registry, registrar.journal
    with opened(registrar) as session:
        known = next((item for item in session.versions if item.snapshot_sha256 == snapshot.sha256), None)
        tags = {"ganops.candidate": name, "ganops.score": report.score_name, "ganops.fd": f"{fd.value:.6g}"}
        version = known or registry.register(workspace.layout.snapshot(name), snapshot.sha256, run_of(name), tags)
        if not session.versions:
            registrar.claim(session.hold.identity)
        events = [entry.event for entry in journal.of(version.name) if entry.version == version.version]
        if "registered" not in events:
            details = {"model": version.name, "candidate": name, "snapshot": snapshot.sha256, "fd": fd.value}
            details |= registrar.notary.registered(version, name)
            reason = f"{name} has the lowest distance on select: {figure}"
            journal.append("registered", version.version, reason, details)
            registrar.anchor()
        if set(events) <= {"registered"} and version.version != session.standing.champion:
            settle(registry, replace(standing_of(registry.versions()), challenger=version.version))
            version = version_of(registry.versions(), version.version)
    if known is not None:
        return Registration(
            version, name, False, f"{name} is the best candidate, and is version {known.version} already"
        )
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
