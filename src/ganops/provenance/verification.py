"""Holding what is there against what was stated: values in, findings out. Nothing is read or changed here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, final

from ganops.config import GateConfig
from ganops.errors import ConfigError, GanOpsError
from ganops.evaluation.comparison import Comparison
from ganops.files import digest_json
from ganops.gate import PromotionDecision, decide
from ganops.plain_text import spelt
from ganops.provenance.facts import DecisionFacts
from ganops.provenance.journal import Entry

Kind = Literal[
    "files",
    "statement",
    "signature",
    "journal",
    "clock",
    "anchor",
    "history",
    "registry",
    "record",
    "data",
    "decision",
    "keys",
]
"""What a finding is about; in the order in which an auditor asks."""

FIRST = "0" * 64
"""What the journal's first line names as the one before."""


@final
@dataclass(frozen=True)
class Finding:
    """Something that is not as it was stated. version: of which version; None where it is about them all.

    The sentence may name files whose names anybody chose: `to_json` is what is shown of it.
    """

    kind: Kind
    version: int | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "version": self.version, "sentence": spelt(self.sentence)}


@final
@dataclass(frozen=True)
class Look:
    """One look at one thing. sentence: what was in order, where nothing was not; findings: what was not.

    applies: False where there was nothing to look at, and sentence says why.
    """

    kind: Kind
    version: int | None
    sentence: str
    findings: tuple[Finding, ...]
    applies: bool = True

    @property
    def verdict(self) -> Literal["passed", "failed", "not_applied"]:
        if self.findings:
            return "failed"
        return "passed" if self.applies else "not_applied"

    def to_json(self) -> dict[str, Any]:
        said = [finding.sentence for finding in self.findings]
        return {
            "kind": self.kind,
            "version": self.version,
            "verdict": self.verdict,
            "sentence": spelt(" ".join(said) if said else self.sentence),
        }


@final
@dataclass(frozen=True)
class Audit:
    """What was looked at, and what has to be known beside: what is unsigned, what could not be looked at here."""

    versions: tuple[int, ...]
    looks: tuple[Look, ...]
    remarks: tuple[str, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for look in self.looks for finding in look.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "versions": list(self.versions),
            "clean": bool(self.versions) and not self.findings,
            "findings": [finding.to_json() for finding in self.findings],
            "looks": [look.to_json() for look in self.looks],
            "remarks": list(self.remarks),
        }


@final
@dataclass(frozen=True)
class Reading:
    """A journal as far as it can be read. entries: of every line that is one, whether or not it fits the chain."""

    entries: tuple[Entry, ...]
    digests: tuple[str, ...]
    """Of the lines that fit the chain, from the first on; shorter than the file where the chain breaks."""
    lines: int
    broken: str | None
    """Where the chain breaks, in words."""


def read_journal(content: bytes) -> Reading:
    """All that can still be read of a journal's file, and where it stops being the one that was written."""
    lines = content.splitlines(keepends=True)
    entries: list[Entry] = []
    digests: list[str] = []
    broken: str | None = None
    for number, line in enumerate(lines, start=1):
        entry, why = _entry(line)
        if entry is not None:
            entries.append(entry)
            if why is None and entry.previous != (digests[-1] if digests else FIRST):
                why = "does not follow from the one before: a line was removed, added or moved"
        if broken is None and why is not None:
            broken = f"Line {number} of the journal {why}."
        if broken is None and entry is not None:
            digests.append(entry.digest)
    return Reading(tuple(entries), tuple(digests), len(lines), broken)


def _entry(line: bytes) -> tuple[Entry | None, str | None]:
    """The entry, and what is wrong with it."""
    try:
        body = json.loads(line)
        entry = Entry(**body)
        digest = body.pop("digest")
        kinds = {"time": str, "event": str, "version": int, "reason": str, "details": dict, "previous": str}
        sound = all(isinstance(body[name], kind) for name, kind in kinds.items())
        known = digest_json(body)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None, "is no entry any more: it was edited or cut short"
    if not sound:
        return None, "is no entry any more: it was edited"
    if digest != known:
        return entry, f"({entry.event}, version {entry.version}) was edited: its digest is another one"
    return entry, None if line.endswith(b"\n") else "was cut short"


def clock_findings(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Lines that are dated before the one before them."""
    for number, (before, after) in enumerate(pairwise(entries), start=2):
        if after.time < before.time:
            yield Finding(
                "clock",
                after.version,
                f"Line {number} of the journal ({after.event}, version {after.version}) is dated {after.time}, before "
                f"the line before it ({before.time}): the clock was set back, or the dates were edited.",
            )


def anchor_finding(where: str, count: int, digest: str, journal: Reading) -> Finding | None:
    """Whether the journal still has the line that an anchor names. An empty journal is count 0."""
    if count > len(journal.digests):
        if journal.broken is not None:  # that is found already
            return None
        return Finding(
            "anchor",
            None,
            f"{where} says that the journal had {count} lines, and it has {journal.lines}: its end was cut off.",
        )
    if (journal.digests[count - 1] if count else FIRST) != digest:
        return Finding(
            "anchor",
            None,
            f"{where} says that line {count} of the journal has the digest {digest[:12]}, and it has "
            f"{(journal.digests[count - 1] if count else FIRST)[:12]}: the journal was written anew.",
        )
    return None


def differences(stated: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """How files (name to sha256) differ from those that were stated; files that were only renamed are said so."""
    gone, new = {name for name in stated if name not in actual}, {name for name in actual if name not in stated}
    found = [
        f"{name} was changed (sha256 {actual[name][:12]}, not {digest[:12]})"
        for name, digest in sorted(stated.items())
        if name in actual and actual[name] != digest
    ]
    for name in sorted(gone):
        other = next((each for each in sorted(new) if actual[each] == stated[name]), None)
        if other is not None:
            new.discard(other)
        found.append(f"{name} is missing" if other is None else f"{name} was renamed to {other}")
    found += [f"{name} was added{_python(name)}" for name in sorted(new)]
    return found


def _python(name: str) -> str:
    return " (code that Python compiled, or that somebody planted: delete it)" if name.endswith(".pyc") else ""


def decision_finding(version: int, stated: DecisionFacts, attempt: int | None = None) -> Finding | None:
    """Whether the gate says again what it said, asked with the stored evidence and the policy of then.

    attempt: the k that the journal counts, where that is known.
    """
    try:
        comparison = Comparison.from_json(stated.comparison)
        was = PromotionDecision.from_json(stated.decision)
        policy = GateConfig.model_validate(stated.policy)
    except (KeyError, TypeError, ValueError, AttributeError, GanOpsError, ConfigError) as error:
        why = " ".join(str(error).split())[:200]
        return Finding("decision", version, f"The decision on version {version} cannot be replayed: {why}.")
    again = decide(comparison, policy, was.attempt)
    if again.promote != was.promote:
        return Finding(
            "decision",
            version,
            f"The decision on version {version} was to {_said(was.promote)}, and the gate, asked again with the same "
            f"evidence and policy, says to {_said(again.promote)}: {again.sentence}",
        )
    verdicts = {check.name: check.verdict for check in again.checks}
    odd = [check.name for check in was.checks if verdicts.get(check.name) != check.verdict]
    if odd:
        return Finding(
            "decision",
            version,
            f"Of the decision on version {version} the verdict on {', '.join(odd)} is another one when the gate is "
            "asked again with the same evidence and policy.",
        )
    if attempt is not None and attempt != was.attempt:
        return Finding(
            "decision",
            version,
            f"The decision on version {version} was taken at attempt {was.attempt}, and the journal counts {attempt}.",
        )
    return None


def _said(promote: bool) -> str:
    return "promote it" if promote else "keep the champion"
