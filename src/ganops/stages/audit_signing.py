"""The look at what should be signed and is not: a signature that was taken off with every digest put right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import final

from ganops.provenance.journal import Entry
from ganops.provenance.verification import Finding, Look
from ganops.stages.sources import Sources
from ganops.stages.statements import KEY, NUMBER, STATEMENT


@final
@dataclass(frozen=True)
class SigningAudit:
    """versions: those that are audited."""

    sources: Sources
    versions: Sequence[int]

    def look(self) -> Look:
        found = tuple(finding for finding in self._unsigned() if finding.version in self.versions)
        return Look("signature", None, "Since there is a key, whatever had to be signed is.", found)

    def _unsigned(self) -> Iterator[Finding]:
        """By the journal: what was signed before, and is not later, lost its signature or was made past the key."""
        since, signed, seen = self._key_committed(), set[int](), set[tuple[int, object]]()
        before: int | None = None
        for entry in self.sources.entries:
            named = (entry.version, str(entry.details.get(NUMBER)))
            if not isinstance(entry.details.get(STATEMENT), str) or named in seen:
                continue
            is_first = entry.version not in {version for version, _ in seen}
            seen.add(named)
            if entry.details.get(KEY) is not None:
                signed.add(entry.version)
                before = entry.version
            elif is_first and before is not None:
                yield _finding(entry, f"version {before} was signed before it")
            elif is_first and since is not None and _is_after(entry.time, since):
                yield _finding(entry, f"a key was committed before it, on {since}")
            elif entry.version in signed:
                yield _finding(entry, "the one before it is")

    def _key_committed(self) -> str | None:
        return self.sources.repository.first_committed("keys/*.pub")


def _finding(entry: Entry, why: str) -> Finding:
    return Finding(
        "signature",
        entry.version,
        f"Statement {entry.details.get(NUMBER)} of version {entry.version} is not signed, though {why}: its signature "
        "was taken off, or it was made where the private key is not.",
    )


def _is_after(time: str, other: str) -> bool:
    try:
        return datetime.fromisoformat(time) > datetime.fromisoformat(other)
    except (ValueError, TypeError):  # no time, or one that says not where
        return False
