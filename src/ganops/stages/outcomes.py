"""What the journal said of a version last: `status`, the registry's tags and the audit all take it from here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ganops.provenance.journal import Entry

Outcome = Literal["promoted", "restored", "rolled-back", "kept-champion", "pending", "rejected"]
"""restored: made champion again by a rollback, from another version, which was rolled back."""


def outcome_for(entry: Entry, version: int) -> Outcome | None:
    """What a line says of a version; None where it decides nothing about it. A rollback is about two."""
    if entry.event == "rolled-back":
        if entry.version == version:
            return "restored"
        return "rolled-back" if entry.from_version == version else None
    if entry.version != version:
        return None
    if entry.event in ("promoted", "kept-champion", "pending", "rejected"):
        return entry.event
    return None


def last_outcome(entries: Sequence[Entry], version: int) -> tuple[Outcome, Entry] | None:
    """What was decided on a version last, and the line that says so; None where nothing was."""
    for entry in reversed(entries):
        if (outcome := outcome_for(entry, version)) is not None:
            return outcome, entry
    return None


def put_into_production(entries: Sequence[Entry], version: int) -> Entry | None:
    """The line that made a version the champion last; None where none in this journal did."""
    made = (entry for entry in reversed(entries) if outcome_for(entry, version) in ("promoted", "restored"))
    return next(made, None)
