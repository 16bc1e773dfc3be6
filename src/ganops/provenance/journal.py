"""The journal: what happened to the registry and why, append-only, each line bound to the one before.

`journal/journal.jsonl` holds one event a line. Of one (challenger, champion, reference),
`journal/comparisons/PAIR.json` holds what was measured and `journal/decisions/PAIR.json` that and
what was decided, so that the same pair asked twice gets the stored decision, not a second try.

A change to the registry is announced by a line `intended` before its first step, and answered by a
line whose `details.intent` is that one's digest after its last. An intent without an answer is
what a killed process leaves behind.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, final

from ganops.errors import DamagedFile, unwritable
from ganops.files import canonical_json, digest_json, read_json, read_plain, write_json

Event = Literal[
    "registered",
    "kept-champion",
    "pending",
    "approved",
    "rejected",
    "intended",
    "promoted",
    "rolled-back",
    "undone",
    "repaired",
]
Folder = Literal["comparisons", "decisions"]
MOST_BYTES = 2**30
"""Of all lines: a million changes."""
_FIRST = "0" * 64
_RESTORE = "Restore it with `git checkout journal`; until then nothing is promoted."


@final
@dataclass(frozen=True)
class Entry:
    """One event. `digest` covers every other field, `previous` is the digest of the line before.

    actor: who did it; empty in lines of before actors were written down.
    """

    time: str
    event: Event
    version: int
    reason: str
    details: Mapping[str, Any]
    previous: str
    digest: str
    actor: str = ""

    @property
    def from_version(self) -> int | None:
        """The champion before, where the event was about one."""
        return _number(self.details.get("from"))

    @property
    def to_version(self) -> int | None:
        """The champion that the event made, or would have made."""
        return _number(self.details.get("to"))

    @property
    def evidence(self) -> str | None:
        """Digest of what was decided on, where something was."""
        found = self.details.get("evidence")
        return found if isinstance(found, str) else None


@final
@dataclass(frozen=True)
class Head:
    """The end of the journal: how many lines, and the last one's digest. Kept elsewhere, it shows a cut tail."""

    count: int
    digest: str


@final
@dataclass
class _Read:
    """What was read and found whole before, so that a long journal is not checked anew at every question."""

    content: bytes = b""
    entries: tuple[Entry, ...] = ()


@final
@dataclass(frozen=True)
class Journal:
    """The journal in `folder`. actor: who the lines that are added are of."""

    folder: Path
    actor: str = "unknown"
    _read: _Read = field(default_factory=lambda: _Read(), repr=False, compare=False)

    @property
    def path(self) -> Path:
        """The file that holds the events."""
        return self.folder / "journal.jsonl"

    def append(self, event: Event, version: int, reason: str, details: Mapping[str, Any]) -> Entry:
        """Add one event, durable when this returns."""
        with self._opened() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            entries = self.entries()
            body: dict[str, Any] = {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "actor": self.actor,
                "event": event,
                "version": version,
                "reason": reason,
                "details": dict(details),
                "previous": entries[-1].digest if entries else _FIRST,
            }
            entry = Entry(**body, digest=digest_json(body))
            file.write(canonical_json(asdict(entry)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """All events, oldest first; `DamagedFile` names the first line that does not fit the chain."""
        content, known = self._content(), self._read
        if not content.startswith(known.content):
            known = _Read()
        entries = list(known.entries)
        for line in content[len(known.content) :].splitlines(keepends=True):
            entry = _parsed(line)
            if entry is None or entry.previous != (entries[-1].digest if entries else _FIRST):
                raise DamagedFile(
                    f"Line {len(entries) + 1} of {self.path} does not follow from the one before: the journal was "
                    f"edited or cut. {_RESTORE}"
                )
            entries.append(entry)
        self._read.content, self._read.entries = content, tuple(entries)
        return self._read.entries

    def of(self, model: str) -> tuple[Entry, ...]:
        """The events of one registered model, oldest first; an event that names none is of any."""
        return tuple(entry for entry in self.entries() if entry.details.get("model", model) == model)

    def head(self) -> Head:
        """Where the journal ends."""
        entries = self.entries()
        return Head(len(entries), entries[-1].digest if entries else _FIRST)

    def open_intent(self, model: str, workspace: str | None = None) -> Entry | None:
        """The change that was announced and not answered: whoever began it was killed.

        workspace: a journal that was cloned holds those of the workspace it comes from, which are left to that one.
        """
        entries = self.of(model)
        answers = [entry.details for entry in entries if entry.event != "intended"]
        answered = {details.get(name) for details in answers for name in ("intent", "undoes")}
        for entry in reversed(entries):
            ours = workspace is None or entry.details.get("workspace", workspace) == workspace
            if entry.event == "intended" and ours and entry.digest not in answered:
                return entry
        return None

    def comparison(self, pair: str) -> dict[str, Any] | None:
        """What was measured of a pair; `DamagedFile` where that cannot be read."""
        return self._stored(self.path_of("comparisons", pair))

    def decision(self, pair: str) -> dict[str, Any] | None:
        """The comparison and decision of a pair that was asked before.

        Raises:
            DamagedFile: they cannot be read, or are not those that the journal's line was written for.
        """
        path = self.path_of("decisions", pair)
        evidence = self._stored(path)
        entered = [entry.details.get("evidence") for entry in self.entries() if entry.details.get("pair") == pair]
        if evidence is not None and any(digest not in (None, digest_json(evidence)) for digest in entered):
            raise self.damaged(path, "it is not what the journal was written for")
        return evidence

    def damaged(self, path: Path, why: str) -> DamagedFile:
        """The error for stored evidence that is not what was stored."""
        return DamagedFile(f"{path} was edited or is damaged ({why}). {_RESTORE}")

    def decided_pairs(self) -> tuple[str, ...]:
        """The pairs that were decided, in no order."""
        stems = (path.stem for path in (self.folder / "decisions").glob("*.json"))
        return tuple(sorted(stem for stem in stems if stem.isalnum()))

    def store(self, folder: Folder, pair: str, evidence: Mapping[str, Any]) -> str:
        """Keep what was measured or decided of a pair; returns its digest."""
        path = self.path_of(folder, pair)
        assert not path.exists(), "a pair is measured and decided once"
        write_json(path, evidence)
        return digest_json(evidence)

    def attempts(self, reference: str) -> int:
        """How often a challenger was tried against a champion on this reference: the k of the gate's level."""
        tried = {
            (entry.details.get("challenger"), entry.details["champion"])
            for entry in self.entries()
            if entry.details.get("reference") == reference and entry.details.get("champion")
        }
        return len(tried)

    def _opened(self) -> BinaryIO:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return self.path.open("a+b")
        except OSError as error:
            raise unwritable(
                error,
                f"{self.path} cannot be written: {error.strerror}. Change its permissions or make room, and run again.",
            ) from None

    def _content(self) -> bytes:
        try:
            return read_plain(self.path, MOST_BYTES)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise DamagedFile(f"{self.path} cannot be read: {error.strerror}. {_RESTORE}") from None

    def _stored(self, path: Path) -> dict[str, Any] | None:
        try:
            evidence = read_json(path)
        except FileNotFoundError:
            return None
        if not isinstance(evidence, dict):
            raise self.damaged(path, "it is no evidence")
        try:
            canonical_json(evidence)
        except (ValueError, RecursionError):
            raise self.damaged(path, "it holds what was never stored, as a number that is not finite") from None
        return evidence

    def path_of(self, folder: Folder, pair: str) -> Path:
        """Where the evidence of a pair lies."""
        assert pair.isalnum()
        return self.folder / folder / f"{pair}.json"


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _parsed(line: bytes) -> Entry | None:
    if not line.endswith(b"\n"):  # the next line would be written on this one
        return None
    try:
        body = json.loads(line)
        entry = Entry(**body)
        digest = body.pop("digest")
    except (ValueError, TypeError, RecursionError):
        return None
    return entry if digest_json(body) == digest else None
