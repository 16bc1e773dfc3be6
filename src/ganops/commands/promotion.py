"""The verbs that change what is in production, or look whether it is as the journal has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ganops import bootstrap
from ganops.bootstrap import App
from ganops.commands.telling import shown_event
from ganops.errors import Unhealthy, UserError
from ganops.plain_text import named, steering
from ganops.provenance.journal import Entry
from ganops.reports.findings import Finding
from ganops.reports.terminal import Steps, errors_console, print_checks, print_json, print_rows, results_console, say


def promote(start: Path, version: int | None, dry_run: bool, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        number = version if version is not None else _challenger(app)
        promotion = watched.decide(number, dry_run)
    if not dry_run and promotion.outcome != "unchanged":
        app.keep(f"Promote: {promotion.outcome.replace('-', ' ')}, version {number}")
    decision, champion = promotion.decision, promotion.champion
    checks = [check.to_json() for check in decision.checks] if decision else []
    if json:
        facts = {"dry_run": dry_run, "version": number, "champion": champion.version if champion else None}
        attempt = decision.attempt if decision else None
        print_json(
            {"decision": promotion.outcome, **facts, "attempt": attempt, "reason": promotion.sentence, "checks": checks}
        )
        return
    say(("Dry run, nothing was changed. " if dry_run else "") + promotion.sentence)
    if checks:
        print_checks(results_console(), checks)


def _challenger(app: App) -> int:
    found = [version.version for version in app.registry.versions() if "challenger" in version.aliases]
    if not found:
        raise UserError(
            f"The model {app.registry.name} has no challenger: the last one was promoted or rejected, or there was "
            "none yet. Name a version (`ganops status` shows them), or make one with `ganops run --when always`."
        )
    return found[0]


def approve(start: Path, version: int, by: str, reason: str, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        entry = watched.approve(version, _given("--by", by), _given("--reason", reason))
    app.keep(f"Approve version {version}")
    _print_entry(entry, json, f"Promoted. Version {version} is the champion, approved by {by}.")


def reject(start: Path, version: int, by: str, reason: str, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        entry = watched.reject(version, _given("--by", by), _given("--reason", reason))
    app.keep(f"Reject version {version}")
    _print_entry(entry, json, f"Rejected version {version}. The champion stays.")


def rollback(start: Path, to: int | None, reason: str, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        entry = watched.rollback(to, _given("--reason", reason))
    app.keep(f"Roll back to version {entry.version}")
    came = f" Version {entry.from_version} is archived." if entry.from_version is not None else ""
    _print_entry(entry, json, f"Rolled back. Version {entry.version} is the champion again.{came}")


def recover(start: Path, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        done = watched.recover()
    if done is not None:
        app.keep("Recover")
    if json:
        print_json({"recovered": done})
    else:
        say(done or "Nothing to recover: no change of champion was interrupted.")


def doctor(start: Path, repair: bool, adopt: bool, json: bool) -> None:
    app = _ready(start, git=repair or adopt)
    with _observed(app) as watched:
        findings = watched.doctor(repair, adopt)
    if any(finding.repaired for finding in findings):
        app.keep("Repair the registry")
    healthy = not any(finding.open for finding in findings)
    if json:
        print_json({"healthy": healthy, "findings": [finding.to_json() for finding in findings]})
    else:
        rows = [finding.row() for finding in findings]
        print_rows(
            results_console(), rows, "Doctor", "Registry and journal agree, and nothing is open that should not be."
        )
    if not healthy:
        raise Unhealthy(_diagnosis(findings, repair))


def _diagnosis(findings: Sequence[Finding], repair: bool) -> str:
    """What is left to do, in one sentence."""
    if any(finding.open and finding.severity == "fault" for finding in findings):
        return "Somebody has to act on what is marked fault."
    advice = "" if repair else " `ganops doctor --repair` puts right what is marked drift."
    return f"Registry and journal do not agree.{advice}"


def _ready(start: Path, git: bool = True) -> App:
    """The workspace; one whose history could not be kept is refused before anything is changed."""
    app = bootstrap.open_app(start)
    if git and app.workspace.config.git.commit:
        app.pipeline.require_usable()
    return app


@contextmanager
def _observed(app: App) -> Iterator[App]:
    steps = Steps(errors_console())
    with steps.showing():
        yield dataclasses.replace(app, observe=steps.observe)


def _given(option: str, text: str) -> str:
    """What a person has said, on one line, in plain text and not nothing: the journal keeps it for ever."""
    said = " ".join(text.split())
    if odd := steering(said):
        raise UserError(
            f"{option} holds the character {named(odd[0])}, which would steer a terminal, turn text round or hide in "
            "it: the journal keeps plain text. Leave it out. Nothing was changed."
        )
    if not 0 < len(said) <= 2000:
        raise UserError(f"{option} needs {'a text' if not said else 'at most 2,000 characters'}: the journal keeps it.")
    return said


def _print_entry(entry: Entry, json: bool, sentence: str) -> None:
    if json:
        print_json(shown_event(entry))
    else:
        say(sentence)
