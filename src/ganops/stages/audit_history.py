"""The look at whether the journal's lines can have been written: by each other, and by what the registry was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

from ganops.errors import RegistryError
from ganops.provenance.history import history_findings
from ganops.provenance.journal import Entry
from ganops.provenance.verification import Finding, Look
from ganops.stages.sources import Sources
from ganops.stages.tags import CHANGE, OWNER, Change, Standing, anchor_of, change_in, was_champion


@final
@dataclass(frozen=True)
class HistoryAudit:
    """Of a journal whose chain is whole."""

    sources: Sources

    def look(self) -> Look:
        found = (*self._lines(), *self._unnoted(), *self._change())
        return Look("history", None, "Each line follows from what lines before it say, and the registry knows.", found)

    @cached_property
    def _numbered(self) -> list[tuple[int, Entry]]:
        model = self.sources.model
        lines = enumerate(self.sources.journal.entries, start=1)
        return [(number, entry) for number, entry in lines if entry.details.get("model", model) == model]

    def _lines(self) -> Iterator[Finding]:
        numbered = self._numbered
        others = self.sources.is_shared or self._former_owners or not self._is_owner
        versions = self.sources.versions.values() if others else ()
        champions = frozenset(version.version for version in versions if was_champion(version))
        yield from history_findings([entry for _, entry in numbered], [number for number, _ in numbered], champions)

    def _unnoted(self) -> Iterator[Finding]:
        """After each command the registry is told how long the journal is."""
        tag = anchor_of(self.sources.registrar.workspace)
        noted = self._tags.get(tag)
        if not (numbered := self._numbered) or (noted is None and not self._is_owner):
            return
        count = (noted or "").partition(":")[0]
        if not (count.isascii() and count.isdecimal()):
            yield self._found(
                f"The registered model's tag {tag}, which notes where the journal ends, "
                f"{'was edited' if noted else 'is gone'}."
            )
        elif after := [number for number, _ in numbered if number > int(count[:9])]:
            yield self._found(
                f"Line {after[0]} of the journal comes after the last end that the registry was told of ({int(count)} "
                "lines): it was not written by GanOps; or a command was killed, or the registry failed, when it was "
                "written, and `ganops recover` makes that good."
            )

    def _change(self) -> Iterator[Finding]:
        """The registered model's note of the last change of champion."""
        last = next(
            (entry for _, entry in reversed(self._numbered) if "intent" in entry.details and "after" in entry.details),
            None,
        )
        try:
            change = change_in(self._tags)
        except RegistryError as error:
            yield self._found(str(error).removesuffix(" Nothing was promoted."))
            return
        if change is None or change.workspace == self.sources.registrar.workspace:
            if not _is_of(change, last) and not self._is_announced(change):
                yield self._found(
                    f"The registered model's tag {CHANGE}, the last change of champion, is not what the journal's last "
                    "line on one says: it was edited or removed. `ganops doctor --repair` writes it anew."
                )
        elif not self.sources.is_shared and change.workspace not in (self._tags.get(OWNER), *self._former_owners):
            yield self._found(
                f"By the registered model's tag {CHANGE} the champion was changed last by workspace "
                f"{change.workspace[:80]}, which does not own the model: it was edited."
            )

    def _is_announced(self, change: Change | None) -> bool:
        """A change that was killed before its answer."""
        intent = self.sources.registrar.journal.open_intent(self.sources.model, self.sources.registrar.workspace)
        return (
            intent is not None
            and change is not None
            and change.intent in (intent.digest, *intent.details.get("follows", ()))
        )

    @property
    def _former_owners(self) -> list[object]:
        """Of a model that was taken over: what they did is in their journals."""
        return [entry.details["owner"] for _, entry in self._numbered if _is_adoption(entry)]

    @property
    def _is_owner(self) -> bool:
        workspace = self.sources.registrar.workspace
        return bool(self._tags.get(OWNER, workspace) == workspace)

    @cached_property
    def _tags(self) -> Mapping[str, str]:
        return self.sources.model_tags

    def _found(self, sentence: str) -> Finding:
        return Finding("history", None, sentence)


def _is_adoption(entry: Entry) -> bool:
    return entry.event == "repaired" and "owner" in entry.details


def _is_of(change: Change | None, last: Entry | None) -> bool:
    """Whether the note is of that line."""
    if change is None or last is None:
        return change is None and last is None
    same = change.intent == last.details["intent"] and change.version == last.version
    return same and change.snapshot in (None, last.details.get("snapshot")) and change.after == _after(last)


def _after(entry: Entry) -> Standing | None:
    try:
        return Standing.from_json(entry.details["after"])
    except (KeyError, TypeError, ValueError):
        return None
