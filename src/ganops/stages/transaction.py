"""A change of champion, whole or not at all.

Announced in the journal (`intended`) and on the registered model, carried out in steps that may each be done twice,
looked at again, and answered in the journal. A registry that fails on the way gets it all taken back, which is
announced first too. What a killed process leaves is an announcement without an answer: `recover`, with which everyone
who takes the lock begins, finishes it, or takes it back where its version is gone. Another workspace's announcement
is finished likewise, from the registered model. Callers hold the promotion lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, final

from ganops.errors import RegistryError
from ganops.ports import ModelVersion
from ganops.provenance.journal import Entry
from ganops.stages.outcomes import outcome_for
from ganops.stages.registrar import Registrar, said
from ganops.stages.standing import put, standing_of
from ganops.stages.tags import Change, Standing, carried_out

Kind = Literal["promoted", "rolled-back", "undone"]
"""What the journal's answer to an intent is called."""

Versions = Mapping[int, ModelVersion]


@final
@dataclass(frozen=True)
class Recovered:
    """What was found half-done and is whole now. entry: the journal's line, None for another workspace's change."""

    sentence: str
    entry: Entry | None


def change_champion(
    registrar: Registrar,
    kind: Literal["promoted", "rolled-back"],
    to: ModelVersion,
    previous: int | None,
    reason: str,
    details: Mapping[str, Any],
) -> Entry:
    """Make `to` the champion and `previous` the way back; returns the journal's last line of it.

    Raises:
        RegistryError: the registry failed on the way: nothing was promoted.
    """
    versions = _there(registrar)
    before = standing_of(tuple(versions.values()))
    after = Standing(to.version, previous, None if before.challenger == to.version else before.challenger)
    follows = registrar.recorded()
    intent = registrar.journal.append(
        "intended",
        to.version,
        reason,
        {
            **details,
            "model": registrar.model,
            "workspace": registrar.workspace,
            "kind": kind,
            "from": before.champion,
            "to": to.version,
            "before": before.to_json(),
            "after": after.to_json(),
            "snapshot": to.snapshot_sha256,
            "from_snapshot": _snapshot(versions, before.champion),
            "follows": [follows.intent] if follows else [],
        },
    )
    try:
        return _carried_out(registrar, intent)
    except RegistryError as error:
        raise _taken_back(registrar, intent, error) from error


def recover(registrar: Registrar) -> Recovered | None:
    """Make whole what a killed process left half-done; None where there is nothing.

    Raises:
        RegistryError: the registry does not answer.
    """
    intent, change = registrar.journal.open_intent(registrar.model, registrar.workspace), registrar.recorded()
    if intent is None or (change is not None and _is_later(change, intent)):
        begun = _finished(registrar, change) if change is not None and not change.done else None
        return begun if intent is None else _caught_up(registrar, intent)
    if _can_stand(Standing.from_json(intent.details["after"]), intent.details["snapshot"], _there(registrar)):
        entry = _carried_out(registrar, intent)
        return Recovered(f"What was begun is done: {_told(entry)}.", entry)
    entry = _carried_out(registrar, _undoing(registrar, intent, "a version that it names is not in the registry"))
    return Recovered(f"What was begun with version {intent.version} is taken back: {entry.reason}", entry)


# ---------------------------------------------------------------- one change, by its announcement


def _carried_out(registrar: Registrar, intent: Entry) -> Entry:
    """Every step of it, however many were done before."""
    change = _change_of(registrar, intent)
    registrar.record(change)
    _put(registrar, change)
    return _answered(registrar, intent, change)


def _put(registrar: Registrar, change: Change) -> None:
    versions = _there(registrar)
    # a former champion may have been deleted meanwhile; where the new one was, the registry refuses
    after = replace(change.after.among(versions), champion=change.after.champion)
    put(registrar.registry, after, leaving=change.before.champion)
    if (version := versions.get(change.version)) is not None:
        became = "champion" if change.after.champion == change.version else "taken back"
        registrar.registry.tag(version, {carried_out(change.intent): became})


def _answered(registrar: Registrar, intent: Entry, change: Change) -> Entry:
    """The journal's word that it is done; from here on nothing is taken back."""
    kind: Kind = intent.details["kind"]
    entry = registrar.journal.append(kind, intent.version, intent.reason, {**intent.details, "intent": intent.digest})
    versions = _there_or_none(registrar)
    registrar.finish(change)
    registrar.conclude(entry, [version for version in versions.values() if outcome_for(entry, version.version)])
    return entry


def _taken_back(registrar: Registrar, intent: Entry, error: RegistryError) -> RegistryError:
    """Put the old champion back, and say how that went. It is announced, so that it happens after a kill, too."""
    why = said(error)
    undo = _undoing(registrar, intent, f"the registry failed on the way ({why})")
    try:
        _carried_out(registrar, undo)
    except RegistryError:
        return RegistryError(
            f"{why}. Nothing was promoted, but the registry may hold a part of the change: `ganops recover`, or any "
            "other command that changes something, takes it back as soon as the registry answers."
        )
    return RegistryError(f"{why}. Nothing was promoted: what had been begun was taken back.")


def _undoing(registrar: Registrar, intent: Entry, why: str) -> Entry:
    """The announcement that what `intent` announced is taken back."""
    there = _there_or_none(registrar)
    before, after = (Standing.from_json(intent.details[name]) for name in ("before", "after"))
    taking_back = intent.details["kind"] == "undone"  # what cannot be taken back as announced is, as far as it can be
    back = after if taking_back else before
    snapshot = intent.details["snapshot" if taking_back else "from_snapshot"]
    if there and back.champion not in there:
        back, snapshot = back.among(there), None
    kept = {name: intent.details[name] for name in ("model", "workspace")}
    details = {
        **kept,
        "kind": "undone",
        "undoes": intent.digest,
        "from": after.champion,
        "to": back.champion,
        "before": after.to_json(),
        "after": back.to_json(),
        "snapshot": snapshot,
        "from_snapshot": intent.details["snapshot"],
        "follows": [intent.digest, *intent.details["follows"]],
    }
    return registrar.journal.append("intended", intent.version, f"Taken back: {why}.", details)


def _change_of(registrar: Registrar, intent: Entry) -> Change:
    details = intent.details
    return Change(
        workspace=registrar.workspace,
        intent=intent.digest,
        version=intent.version,
        snapshot=details["snapshot"],
        before=Standing.from_json(details["before"]),
        after=Standing.from_json(details["after"]),
        done=False,
    )


def _can_stand(after: Standing, snapshot: str | None, versions: Versions) -> bool:
    """Whether its champion is there, and still that very model."""
    if after.champion is None:
        return True
    return after.champion in versions and snapshot in (None, versions[after.champion].snapshot_sha256)


# ---------------------------------------------------------------- several workspaces


def _is_later(change: Change, intent: Entry) -> bool:
    """Whether someone else has changed the champion since `intent` was announced."""
    return change.intent not in (intent.digest, *intent.details["follows"])


def _caught_up(registrar: Registrar, intent: Entry) -> Recovered:
    """Answer an announcement that others have gone on from: the registry is left as they have it."""
    version = _there(registrar).get(intent.version)
    if version is not None and carried_out(intent.digest) in version.tags:
        details = {**intent.details, "intent": intent.digest}
        entry = registrar.journal.append(intent.details["kind"], intent.version, intent.reason, details)
        return Recovered(f"Another workspace had finished it: {_told(entry)}.", entry)
    reason = "Taken back: it was not carried out, and another workspace has changed the champion since."
    details = {"model": registrar.model, "workspace": registrar.workspace, "intent": intent.digest}
    return Recovered(reason, registrar.journal.append("undone", intent.version, reason, details))


def _finished(registrar: Registrar, change: Change) -> Recovered:
    """Another workspace's change, or one of ours whose last tag is missing, made whole."""
    versions = _there(registrar)
    if not _can_stand(change.after, change.snapshot, versions):
        back = change.before.among(versions)
        put(registrar.registry, back, leaving=None)
        registrar.finish(replace(change, after=back, snapshot=None))
        return Recovered(f"What workspace {change.workspace} had begun was taken back: its version is gone.", None)
    _put(registrar, change)
    registrar.finish(change)
    return Recovered(f"What workspace {change.workspace} had begun is done: {_named(change.after.champion)}.", None)


def _snapshot(versions: Versions, number: int | None) -> str | None:
    return None if number is None else versions[number].snapshot_sha256


def _told(entry: Entry) -> str:
    return f"version {entry.version} was {entry.event}, {_named(entry.details['to'])}"


def _named(champion: int | None) -> str:
    return "there is no champion" if champion is None else f"version {champion} is the champion"


def _there(registrar: Registrar) -> Versions:
    return {version.version: version for version in registrar.registry.versions()}


def _there_or_none(registrar: Registrar) -> Versions:
    """The versions; none where the registry does not answer, which must not end what is being written down."""
    try:
        return _there(registrar)
    except RegistryError:
        return {}
