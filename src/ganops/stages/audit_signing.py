"""The look at what should be signed: the journal's end, and versions whose signature may have been taken off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import final

from ganops.errors import DamagedFile
from ganops.provenance.heads import head_difference
from ganops.provenance.journal import Entry
from ganops.provenance.verification import Finding, Look
from ganops.stages.heads import newest_head, read_head
from ganops.stages.sources import Sources
from ganops.stages.statements import KEY, NUMBER, STATEMENT


@final
@dataclass(frozen=True)
class SigningAudit:
    """versions: those that are audited."""

    sources: Sources
    versions: Sequence[int]

    def looks(self) -> Iterator[Look]:
        """None where there never was a key."""
        newest, signed = newest_head(self.sources.workspace.layout), any(map(_is_signed, self.sources.journal.entries))
        if newest is None and not signed and self._key_committed is None and not self.sources.keys.given:
            return
        unsigned = (finding for finding in self._unsigned() if finding.version in self.versions)
        ends = self._end(newest) if newest is not None else self._no_end(signed)
        end = f", the journal's first {newest.stem} lines, too" if newest is not None else ""
        yield Look("signature", None, f"Since there is a key, what has to be signed is{end}.", (*unsigned, *ends))

    # ------------------------------------------------------------ the journal's end

    def _end(self, newest: Path) -> Iterator[Finding]:
        journal, name = self.sources.registrar.journal.path, newest.relative_to(self.sources.workspace.root)
        try:
            head = read_head(self.sources.workspace.layout, self.sources.keys, newest)
        except DamagedFile as error:
            yield _of_all(str(error))
            return
        if not head.verified:
            where = "that were given" if self.sources.keys.given else "in keys/"
            by = (
                f"by key {head.key[:12]} and does not fit, or that key is not among those {where}"
                if head.key
                else "gone"
            )
            yield _of_all(f"The signature of {name}, the journal's signed end, is {by}.")
        elif (why := head_difference(head.facts, journal.read_bytes() if journal.is_file() else b"")) is not None:
            yield _of_all(f"By {name}, the journal's signed end, {why}.")
        elif (lines := self.sources.journal.lines) > head.facts.end.count:
            yield _of_all(
                f"The journal's signed end ({name}) is line {head.facts.end.count}, and it has {lines} lines: what "
                "comes after was added without the private key; or a command was killed when it was written, and "
                "`ganops recover`, or the next command that changes something, signs it: look at it first."
            )

    def _no_end(self, signed: bool) -> Iterator[Finding]:
        """A key that was made after the journal's last line has nothing to sign yet."""
        entries, since = self.sources.journal.entries, self._key_committed
        late = since is not None and bool(entries) and _is_after(entries[-1].time, since)
        if signed or late or self.sources.keys.given:
            yield _of_all(
                "There is a key, and no signed end of the journal (journal/heads): it was deleted, or the journal was "
                "written where the private key is not. `git checkout journal` restores it."
            )

    # ------------------------------------------------------------ versions

    def _unsigned(self) -> Iterator[Finding]:
        """By the journal: what was signed before, and is not later, lost its signature or was made past the key."""
        since, signed, stated = self._key_committed, set[int](), set[int]()
        seen = set[tuple[int, str]]()
        before: int | None = None
        for entry in self.sources.entries:
            named = (entry.version, str(entry.details.get(NUMBER)))
            if not isinstance(entry.details.get(STATEMENT), str) or named in seen:
                continue
            is_first = entry.version not in stated
            stated.add(entry.version)
            seen.add(named)
            if _is_signed(entry):
                signed.add(entry.version)
                before = entry.version
            elif is_first and before is not None:
                yield _finding(entry, f"version {before} was signed before it")
            elif is_first and since is not None and _is_after(entry.time, since):
                yield _finding(entry, f"a key was committed before it, on {since}")
            elif entry.version in signed:
                yield _finding(entry, "the one before it is")

    @cached_property
    def _key_committed(self) -> str | None:
        return self.sources.repository.first_committed("keys/*.pub")


def _is_signed(entry: Entry) -> bool:
    return entry.details.get(KEY) is not None


def _of_all(sentence: str) -> Finding:
    return Finding("signature", None, sentence)


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
