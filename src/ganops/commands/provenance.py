"""The verbs of those who check rather than make: `keys`, `audit` and `reproduce`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ganops import bootstrap
from ganops.bootstrap import App
from ganops.errors import AuditFailed, UserError
from ganops.files import sha256_file
from ganops.outputs import require_place
from ganops.plain_text import spelt
from ganops.ports import ModelVersion
from ganops.provenance.journal import Entry
from ganops.provenance.lineage import Word, lineage_of
from ganops.reports.audit import AuditPage, print_audit, print_findings, write_audit_page
from ganops.reports.terminal import Steps, errors_console, print_json, results_console, say
from ganops.stages.outcomes import outcome_for, put_into_production
from ganops.stages.versions import champion_of, named


def keys_init(start: Path, json: bool) -> None:
    app = bootstrap.open_app(start)
    key = app.keys.create()
    app.keep("Make a key to sign with")
    root, encrypted = app.layout.root, app.keys.password is not None
    public, private = (path.relative_to(root).as_posix() for path in (app.keys.public, app.keys.private))
    if json:
        print_json({"key": key, "public": public, "private": private, "encrypted": encrypted})
        return
    how = "is encrypted" if encrypted else "is NOT encrypted (GANOPS_KEY_PASSWORD, set before, encrypts it)"
    say(
        f"Made the key {key[:12]}. Versions that are registered from now on are signed with it. {private} {how}: "
        f"keep a copy of it in a safe place. {public} is for everybody; give a copy to whoever audits, outside of this "
        "repository, so that it cannot be exchanged unseen."
    )


def audit_verify(start: Path, version: int | None, every: bool, keys: Sequence[Path], json: bool) -> None:
    if version is not None and every:
        raise UserError("A version and --all were both given: name one of them.")
    app = bootstrap.open_app(start, reading=True)
    number = None if every else (version if version is not None else _champion(app).version)
    found = app.audit(number, keys)
    shown = found.to_json()
    if json:
        print_json(shown)
    else:
        print_findings(results_console(), shown["findings"], shown["looks"], shown["remarks"])
    _require_clean(len(found.findings))
    if not found.versions:
        raise UserError(
            f"No version was looked at: neither registry nor journal knows one of the model {app.registry.name} "
            "(model.name in params.yaml)."
        )


def audit_show(start: Path, version: int, output: Path | None) -> None:
    if output is not None:
        require_place(output, content="HTML")
    app = bootstrap.open_app(start, reading=True)
    page = _page(app, version)
    path = output or app.layout.reports / f"audit-{page.model}-v{version}.html"
    try:
        write_audit_page(path, page)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}. Choose another file with -o.") from None
    print_audit(results_console(), page)
    say(f"The same as a page: {path}")
    _require_clean(len(page.findings))


def _require_clean(findings: int) -> None:
    if findings:
        raise AuditFailed(f"{findings} thing{'s are' if findings > 1 else ' is'} not as stated.")


def reproduce(start: Path, version: int, folder: Path | None, json: bool) -> None:
    app = bootstrap.open_app(start)
    target = (folder or Path(f"reproduced-{app.registry.name}-v{version}")).resolve()
    with Steps(errors_console()).showing() as steps:
        made = app.reproduce(version, target, lambda done, total, note: steps.observe("reproduce", done, total, note))
    if json:
        print_json({**made.to_json(), "folder": str(target)})
    else:
        for note in made.notes:
            say(f"Note: {note}")
        say(made.sentence)
    if made.promise == "none":
        raise AuditFailed(f"Version {version} could not be made again; what was made lies in {target}.")


def _page(app: App, number: int) -> AuditPage:
    found, sources = app.audit(number).to_json(), app.sources
    stated = sources.stated(number)
    if stated is None:
        said = " ".join(finding["sentence"] for finding in found["findings"] if finding["version"] == number)
        raise AuditFailed(
            f"Version {number} has no statement that can be read, so that there is nothing to show. {said}"
        )
    lines = [entry for entry in sources.entries if number in (entry.version, entry.details.get("from"))]
    decided = [entry for entry in lines if entry.version == number and "pair" in entry.details]
    champion = decided[-1].details.get("from") if decided else None
    word = _word([entry for entry in lines if entry.version == number])
    return AuditPage(
        model=app.registry.name,
        version=number,
        workspace_name=app.layout.root.name,
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        facts=stated.facts,
        lineage=lineage_of(stated.facts, champion if isinstance(champion, int) and champion != number else None, word),
        word=word,
        looks=found["looks"],
        findings=found["findings"],
        remarks=found["remarks"],
        key=stated.key if stated.verified else None,
        history=[
            {
                "time": entry.time,
                "actor": spelt(str(entry.details.get("by") or entry.actor)),
                "event": entry.event,
                "moved": _moved(entry),
                "reason": spelt(entry.reason),
            }
            for entry in lines
            if entry.event != "intended"
        ],
        production=_production(sources.entries, sources.versions.get(number)),
        standing=_standing(sources.versions.get(number)),
        statement=stated.path.relative_to(app.layout.root),
        statement_sha256=sha256_file(stated.path),
    )


def _word(entries: Sequence[Entry]) -> Word | None:
    """A person's last word, where nothing was decided after it."""
    carried_out = {entry.details.get("approved") for entry in entries if entry.event == "promoted"}
    for entry in reversed(entries):
        if entry.event in ("pending", "kept-champion"):
            return None
        if entry.event == "approved" or entry.event == "rejected":
            return Word(entry.event, _who(entry), entry.reason, entry.time, entry.digest in carried_out)
    return None


def _who(entry: Entry) -> str:
    return spelt(str(entry.details.get("by") or entry.actor or "somebody not recorded"))


def _moved(entry: Entry) -> str:
    """From which champion to which, where a line changed it."""
    if entry.event not in ("promoted", "rolled-back") or entry.to_version is None:
        return ""
    return f" from {named(entry.from_version)} to {named(entry.to_version)}"


def _production(entries: Sequence[Entry], version: ModelVersion | None) -> str | None:
    """Since when and by what a version is in production, or was taken out of it by a person."""
    if version is None or (put := put_into_production(entries, version.version)) is None:
        return None
    if "champion" in version.aliases:
        how = "a rollback" if put.event == "rolled-back" else "a promotion"
        return f"In production since {put.time}, by {how} of {_who(put)}: {spelt(put.reason)}"
    left = [entry for entry in entries if outcome_for(entry, version.version) == "rolled-back"]
    if left and entries.index(left[-1]) > entries.index(put):
        return f"Taken out of production on {left[-1].time} by {_who(left[-1])}: {spelt(left[-1].reason)}"
    return f"In production from {put.time} on, until another was promoted."


def _standing(version: ModelVersion | None) -> str:
    if version is None:
        return "not in the registry any more"
    aliases = f" (alias {', '.join(version.aliases)})" if version.aliases else ""
    return f"stage {version.stage}{aliases}"


def _champion(app: App) -> ModelVersion:
    if (found := champion_of(app.registry.versions())) is None:
        raise UserError(
            f"The model {app.registry.name} has no champion to look at: name a version, or look at them with --all."
        )
    return found
