"""The audit's page: what an auditor asks of a model version, answered in one HTML file that loads and runs nothing.

`write_audit_page` is the one path to read. The same answers go to the terminal as tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ganops.files import write_text
from ganops.plain_text import spelt
from ganops.provenance.facts import Facts
from ganops.provenance.lineage import Lineage, Word
from ganops.reports.html import rendered
from ganops.reports.lineage import lineage_drawing
from ganops.reports.words import words

_TONES = {"passed": "good", "failed": "bad"}
_KINDS = {
    "files": "The model's files",
    "statement": "The statement",
    "signature": "Signatures",
    "keys": "Keys",
    "journal": "The journal's chain",
    "clock": "The journal's dates",
    "anchor": "Where the journal ended",
    "history": "What the journal says",
    "registry": "The registry",
    "record": "MLflow's figures",
    "data": "The data",
    "decision": "The decision",
}
_PROMOTED = "Promoted. "
"""How the gate's sentence begins where it would promote."""


@final
@dataclass(frozen=True)
class AuditPage:
    """What the page shows.

    looks: kind, version, verdict, sentence; findings: kind, version, sentence; remarks: in words.
    key: id of the key that the statement is signed with; None where it is not.
    word: a person's, where the gate left it to one.
    history: time, actor, event, moved, reason of every line on the version, oldest first; moved: from which champion to
    which. production: since when and by what it is in production, or was taken out; None where it never was.
    standing: the registry's stage and aliases of now. statement: where it lies, and its sha256.
    """

    model: str
    version: int
    workspace_name: str
    created: str
    facts: Facts
    lineage: Lineage
    word: Word | None
    looks: Sequence[Mapping[str, Any]]
    findings: Sequence[Mapping[str, Any]]
    remarks: Sequence[str]
    key: str | None
    history: Sequence[Mapping[str, Any]]
    production: str | None
    standing: str
    statement: Path
    statement_sha256: str

    @property
    def checks(self) -> list[Mapping[str, Any]]:
        """The gate's checks; none where it was not asked."""
        found = self.facts.decision.decision.get("checks") if self.facts.decision else None
        return [check for check in found if isinstance(check, dict)] if isinstance(found, list) else []

    @property
    def outcome(self) -> tuple[str, str]:
        """(what was decided, by the gate and by a person where it was left to one; tone)"""
        if self.facts.decision is None:
            return "Not decided yet", "plain"
        if self.facts.decision.outcome == "kept-champion":
            return "Kept champion", "held"
        if self.facts.decision.outcome == "promoted":
            return "Promoted by the gate", "good"
        if self.word is None:
            return "The gate would promote it; it waits for a person", "held"
        what, tone = ("promoted" if self.word.promoted else self.word.event), "good"
        if self.word.event == "rejected":
            tone = "bad"
        return f"The gate would promote it; {what} by {self.word.by} on {self.word.time}", tone

    @property
    def why(self) -> str:
        """The gate's reasons, which claim no promotion where it was left to a person."""
        if (decision := self.facts.decision) is None:
            return ""
        sentence = str(decision.decision.get("sentence"))
        return sentence.removeprefix(_PROMOTED) if decision.outcome == "pending" else sentence

    @property
    def verdict(self) -> str:
        """Whether it is what it is said to be, in words."""
        if self.findings:
            return f"{len(self.findings)} thing{'s are' if len(self.findings) > 1 else ' is'} not as stated"
        return "Everything is as stated" + ("" if self.key else ", and nothing is signed")


def write_audit_page(path: Path, page: AuditPage) -> None:
    """Write `page` to `path`, atomically.

    Raises:
        OSError: `path` cannot be written.
    """
    write_text(path, rendered("audit.html.j2", _view(page), {"words": words, "figure": _figure}))


def _view(page: AuditPage) -> dict[str, Any]:
    """Everything that the template names."""
    outcome, tone = page.outcome
    return {
        "page": page,
        "facts": page.facts,
        "decision": page.facts.decision,
        "outcome": outcome,
        "tone": tone,
        "tones": _TONES,
        "kinds": _KINDS,
        "drawing": lineage_drawing(page.lineage),
        "scores": scores(page.facts),
        "protocol": _table(page.facts.scores.report.get("protocol")),
        "rules": page.facts.data.rules,
        "verdict_tone": "bad" if page.findings else ("good" if page.key else "held"),
    }


def scores(facts: Facts) -> list[tuple[str, Any, Any, Any]]:
    """(name, value, low, high) of each figure on `select`."""
    return [(name, item.get("value"), item.get("low"), item.get("high")) for name, item in facts.scores.metrics.items()]


def print_audit(console: Console, page: AuditPage) -> None:
    """The page's answers, for a terminal; what is not as stated comes first."""
    facts = page.facts
    console.print(Text.assemble((f"Model {page.model}, version {page.version}", "bold"), f": {spelt(page.standing)}"))
    _plain(console, f"{page.verdict}.")
    _print_said(console, page.findings, page.remarks)
    _print_pairs(console, "Is it really this file?", _identity(page))
    _print_pairs(console, "Which data?", _data(facts))
    _print_pairs(console, "Which code, on what?", _code(facts))
    figures = [
        (words(name), f"{_figure(value)} ({_figure(low)} to {_figure(high)})")
        for name, value, low, high in scores(facts)
    ]
    _print_pairs(console, "How good was it, on select (95 % interval)?", figures)
    _print_pairs(console, "Who decided, and why?", _decided(page))
    table = Table(title="What happened to it?", title_justify="left")
    for column in ("time", "actor", "event", "reason"):
        table.add_column(column)
    for line in page.history:
        actor = line["actor"] or "not recorded"
        event = f"{words(line['event'])}{line['moved']}"
        table.add_row(*(Text(spelt(str(cell))) for cell in (line["time"], actor, event, line["reason"])))
    console.print(table)
    _plain(console, "What was looked at")
    _print_looks(console, page.looks)


def print_findings(
    console: Console,
    findings: Sequence[Mapping[str, Any]],
    looks: Sequence[Mapping[str, Any]],
    remarks: Sequence[str],
) -> None:
    """What was looked at, and every finding in a sentence of its own."""
    _print_looks(console, looks)
    _print_said(console, findings, remarks)
    count = len(findings)
    if count:
        _plain(console, f"{count} finding{'s' * (count != 1)}.")
    elif any(look["version"] is not None for look in looks):
        _plain(console, "No finding: everything is as stated.")


def _print_looks(console: Console, looks: Sequence[Mapping[str, Any]]) -> None:
    for look in looks:
        about = f" of version {look['version']}" if look["version"] is not None else ""
        name = f"{_KINDS.get(str(look['kind']), look['kind'])}{about}"
        if look["verdict"] == "failed":
            _plain(console, f"  FAILED  {name}")
        else:
            _plain(console, f"  {'ok' if look['verdict'] == 'passed' else '–':<8}{name}: {look['sentence']}")


def _print_said(console: Console, findings: Sequence[Mapping[str, Any]], remarks: Sequence[str]) -> None:
    for finding in findings:
        _plain(console, f"FINDING ({finding['kind']}): {finding['sentence']}")
    for remark in remarks:
        _plain(console, f"Note: {remark}")


def _identity(page: AuditPage) -> list[tuple[str, str]]:
    return [
        ("verdict", page.verdict),
        ("snapshot (sha256)", page.facts.model.snapshot),
        ("files", str(len(page.facts.model.files))),
        ("signed by key", page.key or "NOBODY: it is not signed"),
        ("statement", f"{page.statement} (sha256 {page.statement_sha256[:16]})"),
    ]


def _data(facts: Facts) -> list[tuple[str, str]]:
    data = facts.data
    return [
        (
            "images",
            f"{data.accepted:,} accepted, {data.refused:,} refused; validation {'passed' if data.valid else 'FAILED'}",
        ),
        ("splits", ", ".join(f"{name} {count:,}" for name, count in data.counts.items())),
        ("DVC md5", data.dvc_md5),
        ("sha256", data.sha256),
    ]


def _code(facts: Facts) -> list[tuple[str, str]]:
    code, machine = facts.code, facts.machine
    return [
        (
            "git commit",
            f"{code.commit or 'none'}{', and changes to ' + ', '.join(code.changed) if code.changed else ''}",
        ),
        ("GanOps", f"{code.version} (sources sha256 {code.sha256[:16]})"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in machine.libraries.items())),
        ("all packages (sha256)", machine.packages_sha256[:16]),
        ("hardware", ", ".join(f"{name} {value}" for name, value in machine.hardware.items())),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in facts.seeds.items())),
        ("runs", f"MLflow {facts.runs.mlflow_run or 'none'}, Prefect {facts.runs.prefect_flow_run or 'none'}"),
    ]


def _decided(page: AuditPage) -> list[tuple[str, str]]:
    production = [("production", page.production)] if page.production else []
    if page.facts.decision is None:
        return [*production, ("gate", "not asked yet")]
    checks = [
        (words(check.get("name")), f"{words(check.get('verdict')).lower()}: {check.get('sentence')}")
        for check in page.checks
    ]
    said = [(f"{page.word.by}'s reason", page.word.reason)] if page.word else []
    return [("outcome", page.outcome[0]), *said, *production, ("the gate's reason", page.why), *checks]


def _print_pairs(console: Console, title: str, pairs: Sequence[tuple[str, str]]) -> None:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for what, value in pairs:
        table.add_row(Text(spelt(what)), Text(spelt(value)))
    console.print(table)


def _plain(console: Console, text: str) -> None:
    console.print(spelt(text), markup=False, highlight=False, soft_wrap=True)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _figure(value: Any) -> str:
    """Any value for a person: numbers short, nothing as an en dash."""
    if value is None or value in ("", "nan", "inf", "-inf"):
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
