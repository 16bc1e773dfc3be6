"""Whether what a journal says can have happened: a line that was added to a whole chain breaks no digest.

Each kind of line is written after another one, and names it: a change after its announcement, a person's word after the
question, a promotion after the gate's or a person's word. Values in, findings out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from ganops.provenance.journal import Entry, Event
from ganops.provenance.verification import Finding

_EVENTS = frozenset(get_args(Event))
_CHANGES = ("promoted", "rolled-back", "undone")
_ASKS = ("pending", "kept-champion")


def history_findings(entries: Sequence[Entry], numbers: Sequence[int], champions: frozenset[int]) -> Iterator[Finding]:
    """What lines on one model say that the lines before them do not bear out.

    numbers: of the lines in the file, beside `entries`. champions: versions that other journals made champion.
    """
    before: dict[str, Entry] = {}
    were = set(champions)
    for number, entry in zip(numbers, entries, strict=True):
        for why in _oddities(entry, before, were):
            yield Finding(
                "history",
                entry.version or None,
                f"Line {number} of the journal ({entry.event}, version {entry.version}) {why}: GanOps did not "
                "write it.",
            )
        before[entry.digest] = entry
        if entry.event in ("promoted", "rolled-back"):
            were.add(entry.version)


def _oddities(entry: Entry, before: dict[str, Entry], champions: set[int]) -> Iterator[str]:
    if entry.event not in _EVENTS:
        yield "is of a kind that there is not"
        return
    if entry.event in _CHANGES and not _is_announced(entry, before):
        yield "was announced by no line before it"
    if entry.event in ("approved", "rejected") and _named(entry, "asked", _ASKS, before) is None:
        yield "is a person's word that no line before it asked for"
    if entry.event == "promoted":
        if entry.details.get("gate") not in ("promote", "keep"):
            yield "does not say what the gate said"
        if "approved" in entry.details and _named(entry, "approved", ("approved",), before) is None:
            yield "names an approval that no line before it is"
    if entry.event == "rolled-back" and entry.version not in champions:
        yield "goes back to a version that never was the champion"


def _is_announced(entry: Entry, before: dict[str, Entry]) -> bool:
    intent = _named(entry, "intent", ("intended",), before)
    if intent is None:
        return False
    if entry.event == "undone" and "after" not in entry.details:  # taken back by whoever has changed the champion since
        return True
    same = ("kind", "from", "to", "before", "after", "snapshot", "gate", "pair", "evidence", "approved", "statement")
    if any(entry.details.get(name) != intent.details.get(name) for name in same):
        return False
    return intent.details.get("kind") == entry.event and entry.reason == intent.reason


def _named(entry: Entry, name: str, events: tuple[str, ...], before: dict[str, Entry]) -> Entry | None:
    """The line before on the same version that `details[name]` is the digest of."""
    digest = entry.details.get(name)
    found = before.get(digest) if isinstance(digest, str) else None
    return found if found is not None and found.event in events and found.version == entry.version else None
