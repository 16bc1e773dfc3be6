"""Who changes the registry, and what everyone who does so needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from ganops.errors import GanOpsError, RegistryError
from ganops.ports import ModelRegistry, ModelVersion, Notary, PromotionLock, Seal
from ganops.provenance.journal import Entry, Journal
from ganops.stages.outcomes import last_outcome, outcome_for
from ganops.stages.tags import ANCHOR, CHANGE, DECIDED_BY, LOCK, OWNER, Change, anchor_of, change_in, decided

Verify = Callable[[ModelVersion], None]
"""Raises where a version's statement or signature is not as it has to be."""


def unverified(version: ModelVersion) -> None:
    """Asks nothing more of a version than that it can be served."""


def said(error: RegistryError) -> str:
    """What went wrong, without the adapter's word that nothing was promoted: whoever knows says it."""
    return str(error).rstrip(".").removesuffix(". Nothing was promoted")


def unmarked(entry: Entry, count: int) -> None:
    """Keeps the journal's end nowhere else."""


def unsaid(text: str) -> None:
    """Nobody listens."""


@final
class Unstated:
    """Implements `ports.Notary`: states nothing, and asks nothing of a version."""

    def registered(self, version: ModelVersion, candidate: str) -> Mapping[str, Any]:  # noqa: ARG002
        return {}

    def decided(self, version: ModelVersion, outcome: str, pair: str) -> Mapping[str, Any]:  # noqa: ARG002
        return {}

    def require_as_stated(self, version: ModelVersion) -> None:
        """Nothing was stated."""


@final
class Unsealed:
    """Implements `ports.Seal`: signs nothing."""

    def require(self, signing: bool) -> None:
        """Nothing was signed."""

    def is_behind(self) -> bool:
        return False

    def renew(self) -> None:
        """There is no key."""


_UNSTATED, _UNSEALED = Unstated(), Unsealed()


@final
@dataclass(frozen=True)
class Registrar:
    """The registry, the journal that answers for it, and the lock under which both change.

    workspace: its id. notary: states versions and decisions on them, which the journal's lines then name. verify: asked
    before a version becomes champion. seal: signs the journal's end after what a command has written. mark: told of
    every line that is the last word on a version, with how many lines the journal has then (a git tag is made of it).
    say: told what a person who waits should know.
    """

    registry: ModelRegistry
    journal: Journal
    lock: PromotionLock
    workspace: str
    notary: Notary = _UNSTATED
    verify: Verify = unverified
    seal: Seal = _UNSEALED
    mark: Callable[[Entry, int], None] = unmarked
    say: Callable[[str], None] = unsaid

    @property
    def model(self) -> str:
        """The registered model's name."""
        return self.registry.name

    def recorded(self) -> Change | None:
        """The last change of champion by anybody, as the registry has it."""
        return change_in(self.registry.model_tags())

    def record(self, change: Change) -> None:
        """Write a change of champion where every workspace sees it."""
        self.registry.tag_model({CHANGE: change.to_tag()})

    def claim(self, lock: str) -> None:
        """This workspace owns the model, and whoever promotes has to hold that lock."""
        self.registry.tag_model({OWNER: self.workspace, LOCK: lock})

    def conclude(self, entry: Entry, versions: Iterable[ModelVersion]) -> None:
        """Mirror the journal's end, whose last line is `entry` and about `versions`, into the registry.

        The line stands already, so that a registry that fails now is behind, and not wrong: the next command that
        changes something writes it again.
        """
        self._sign()
        self.mark(entry, self.journal.head().count)
        try:
            for version in versions:
                outcome = outcome_for(entry, version.version)
                assert outcome is not None, "the line is about that version"
                tags = {**decided(outcome, entry.reason, self.workspace), ANCHOR: self._anchor()}
                self.registry.tag(version, tags)
            self.anchor()
        except RegistryError as error:
            self._behind(error)

    def catch_up(self, versions: Iterable[ModelVersion], alone: bool) -> None:
        """Give versions the tags of the last decision on them, which a killed process did not get to.

        alone: no other workspace decides; else those that another decided on are left.
        """
        entries = self.journal.of(self.model)
        for version in versions:
            theirs = not alone and version.tags.get(DECIDED_BY, self.workspace) != self.workspace
            if theirs or (last := last_outcome(entries, version.version)) is None:
                continue
            tags = decided(last[0], last[1].reason, self.workspace)
            if any(version.tags.get(name) != value for name, value in tags.items()):
                self.registry.tag(version, {**tags, ANCHOR: self._anchor()})

    def mark_again(self) -> None:
        """Mark the last change of champion, which a process may have been killed before."""
        of = {entry.digest for entry in self.journal.of(self.model) if self._is_change(entry)}
        numbered = enumerate(self.journal.entries(), start=1)
        last = [(entry, number) for number, entry in numbered if entry.digest in of][-1:]
        for entry, number in last:
            self.mark(entry, number)

    def _is_change(self, entry: Entry) -> bool:
        ours = entry.details.get("workspace", self.workspace) == self.workspace
        return ours and entry.event in ("promoted", "rolled-back")

    def finish(self, change: Change) -> None:
        """Note that a change of champion is whole; as `conclude`, it may be made up for later."""
        try:
            self.record(replace(change, done=True))
        except RegistryError as error:
            self._behind(error)

    def _behind(self, error: RegistryError) -> None:
        self.say(f"It is done and stands in {self.journal.path}, but the registry's tags are behind: {said(error)}.")

    def anchor(self) -> None:
        """Keep the journal's length and last digest in the registry, where cutting it does not reach; and sign them."""
        self._sign()
        name, anchor = anchor_of(self.workspace), self._anchor()
        if self.registry.model_tags().get(name) != anchor:
            self.registry.tag_model({name: anchor})

    def _sign(self) -> None:
        try:
            self.seal.renew()
        except GanOpsError as error:
            self.say(f"It is done and stands in {self.journal.path}, whose end is not signed: {error}")

    def is_behind(self) -> bool:
        """Whether an earlier end of this journal was signed or told to the registry, and the last one was not."""
        return self.seal.is_behind() or self.is_unnoted(self.registry.model_tags())

    def is_unnoted(self, tags: Mapping[str, str]) -> bool:
        """Whether the registered model, with those tags, was told of an earlier end of this journal and not of more."""
        noted = tags.get(anchor_of(self.workspace), "")
        count, _, digest = noted.partition(":")
        entries = self.journal.entries()
        earlier = count.isdecimal() and 0 < int(count) < len(entries)
        return earlier and entries[int(count) - 1].digest == digest

    def _anchor(self) -> str:
        head = self.journal.head()
        return f"{head.count}:{head.digest}"
