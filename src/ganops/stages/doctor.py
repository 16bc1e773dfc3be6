"""doctor: whether registry and journal say the same, and making it so. The journal wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from ganops.errors import DamagedFile, GanOpsError, LockTimeout, RegistryError, UserError
from ganops.ports import Hold
from ganops.provenance.journal import Entry
from ganops.reports.findings import Finding
from ganops.stages.drift import standing_that_holds
from ganops.stages.ownership import FILE, require_allowed, require_anchored
from ganops.stages.registrar import Registrar
from ganops.stages.standing import changes, settle, standing_of
from ganops.stages.tags import CHANGE, LOCK, OWNER, Change, Standing, anchor_of
from ganops.stages.transaction import recover


def examine(registrar: Registrar, repair: bool = False, adopt: bool = False) -> list[Finding]:
    """What is wrong between registry and journal; with `repair`, what could be put right is.

    adopt: first make this workspace the model's owner, and its lock the one that everyone has to take.

    Nothing is looked at without the promotion lock: that it cannot be taken is the finding then.

    Raises:
        RegistryError: the registry does not answer.
    """
    with ExitStack() as stack:
        try:
            hold = stack.enter_context(registrar.lock())
        except (UserError, RegistryError, LockTimeout) as error:
            return [lock_fault(error)]
        return list(_examined(registrar, hold, repair, adopt))


def lock_fault(error: GanOpsError) -> Finding:
    """Why the promotion lock cannot be taken: nobody here can promote either."""
    return Finding("fault", "lock", f"{error} Registry and journal were not looked at.")


def _examined(registrar: Registrar, hold: Hold, repair: bool, adopt: bool) -> Iterator[Finding]:
    tags = registrar.registry.model_tags()
    try:
        if adopt and registrar.registry.versions():
            yield _adopted(registrar, hold, tags)
        else:
            require_allowed(registrar.model, tags, registrar.workspace, hold.identity)
            require_anchored(registrar.journal, tags, registrar.workspace)
            registrar.seal.require(signing=False)
    except UserError as error:  # a journal that was cut is one, too: there is nothing to hold the registry against
        yield Finding("fault", "journal" if isinstance(error, DamagedFile) else "owner", str(error))
        return
    if (finding := _record(registrar, repair)) is not None:
        yield finding
        if not finding.repaired:
            return
    if (recovered := recover(registrar)) is not None:
        yield Finding("drift", "interrupted change", recovered.sentence, repaired=True)
    yield from _drifted(registrar, repair)
    if versions := registrar.registry.versions():
        if repair:
            registrar.catch_up(versions, alone=tags.get(LOCK, FILE) == FILE)
        registrar.anchor()


def _adopted(registrar: Registrar, hold: Hold, tags: Mapping[str, str]) -> Finding:
    """The journal as it is holds from now on; that it is another one than the registry was told of is written down."""
    registrar.journal.entries()  # one that is broken is restored, not gone on with
    owner, told = tags.get(OWNER), tags.get(anchor_of(registrar.workspace))
    ours = owner == registrar.workspace
    taken = "owned the model already" if ours else f"took the model over from {owner or 'nobody'}"
    what = f"This workspace {taken}; it is promoted under {hold.identity} now."
    try:
        require_anchored(registrar.journal, tags, registrar.workspace)
    except DamagedFile:
        what += f" Its journal is not the one that the registry was told of ({told}), whose last lines are lost."
    else:
        if ours and tags.get(LOCK) == hold.identity:
            return Finding("warning", "owner", "This workspace owns the model already: there was nothing to take over.")
    registrar.claim(hold.identity)
    registrar.journal.append("repaired", 0, what, {"model": registrar.model, "owner": owner, "told": told})
    registrar.anchor()
    return Finding("drift", "owner", what, repaired=True)


def _record(registrar: Registrar, repair: bool) -> Finding | None:
    """The registered model's note of the last change, which is this journal's where it says so."""
    last = _last_change(registrar)
    try:
        change = registrar.recorded()
    except RegistryError:
        change, unreadable = None, True
    else:
        unreadable = False
    if change is not None and change.workspace != registrar.workspace:
        return None
    ours = registrar.journal.open_intent(registrar.model, registrar.workspace)
    known = {ours.digest, *ours.details["follows"]} if ours else set()
    lost = change is None and last is not None
    if not unreadable and not lost and (change is None or last is None or change.intent in {last.intent, *known}):
        return None
    what = (
        f"The registered model's tag {CHANGE}, the last change of champion, is not what {registrar.journal.path} says: "
        "it was edited or removed. The journal wins."
    )
    if repair and last is not None:
        registrar.record(last)
    return Finding("drift", f"tag {CHANGE}", what, repaired=repair and last is not None)


def _last_change(registrar: Registrar) -> Change | None:
    """The last change of champion that this journal answers for."""
    entries = registrar.journal.of(registrar.model)
    answers = [entry for entry in entries if entry.event in ("promoted", "rolled-back", "undone")]
    told = [entry for entry in answers if "after" in entry.details and _is_ours(registrar, entry)]
    return _change(registrar, told[-1]) if told else None


def _is_ours(registrar: Registrar, entry: Entry) -> bool:
    return bool(entry.details.get("workspace", registrar.workspace) == registrar.workspace)


def _change(registrar: Registrar, entry: Entry) -> Change:
    details = entry.details
    before, after = (Standing.from_json(details[name]) for name in ("before", "after"))
    return Change(registrar.workspace, details["intent"], entry.version, details["snapshot"], before, after, done=True)


def _drifted(registrar: Registrar, repair: bool) -> Iterator[Finding]:
    versions = registrar.registry.versions()
    standing = standing_that_holds(registrar, registrar.recorded(), versions)
    there = {version.version: version for version in versions}
    if standing.champion is not None and standing.champion not in there:
        what = (
            f"Version {standing.champion}, the champion by the journal, is not in the registry any more. Restore the "
            "registry from a copy, or go back with `ganops rollback --to VERSION`."
        )
        yield Finding("fault", "champion", what)
        return
    standing, now = standing.among(there), standing_of(versions)
    found = changes(standing, versions)
    if found and repair:
        settle(registrar.registry, standing)
        reason = f"Put back what the journal says: {', '.join(map(str, found))}."
        details = {"model": registrar.model, "from": now.champion, "to": standing.champion}
        champion = there[standing.champion] if standing.champion is not None else None
        entry = registrar.journal.append("repaired", champion.version if champion else 0, reason, details)
        registrar.mark(entry, registrar.journal.head().count)
    for change in found:
        what = f"The journal wins: {change}. It was changed by hand, or by something else that writes to the registry."
        yield Finding("drift", "registry", what, repaired=repair)
