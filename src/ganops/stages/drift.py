"""Where the registry is not as the journal has it: somebody moved an alias or a stage by hand. The journal wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ganops.errors import RegistryError
from ganops.ports import ModelVersion
from ganops.provenance.journal import Journal
from ganops.stages.registrar import Registrar
from ganops.stages.standing import Moved, Pointed, changes, standing_of
from ganops.stages.tags import Change, Standing
from ganops.stages.versions import named


def standing_by_journal(journal: Journal, model: str) -> Standing:
    """Champion and way back as this workspace's journal has them, by its answered changes; no challenger."""
    standing = Standing()
    for entry in journal.of(model):
        if entry.event in ("promoted", "rolled-back", "undone") and "after" in entry.details:
            standing = Standing.from_json(entry.details["after"])
        elif entry.event == "promoted":  # as they were written before changes were announced
            standing = Standing(entry.version, standing.champion)
    return replace(standing, challenger=None)


def standing_that_holds(registrar: Registrar, change: Change | None, versions: Sequence[ModelVersion]) -> Standing:
    """As it should be: by this workspace's journal, or by the record of another's that changed the champion last.

    The challenger is whoever the registry says; one that is champion already is none.
    """
    theirs = change is not None and change.done and change.workspace != registrar.workspace
    standing = change.after if change and theirs else standing_by_journal(registrar.journal, registrar.model)
    challenger = standing_of(versions).challenger
    return replace(standing, challenger=None if challenger == standing.champion else challenger)


def drift(registrar: Registrar, versions: Sequence[ModelVersion]) -> tuple[Pointed | Moved, ...]:
    """What would bring the registry back to what the journal says; empty where it is so.

    Raises:
        RegistryError: the registry does not answer.
    """
    return changes(standing_that_holds(registrar, registrar.recorded(), versions), versions)


def require_champion(registrar: Registrar, versions: Sequence[ModelVersion]) -> None:
    """`RegistryError` where the registry's champion is not the one that the journal promoted last."""
    change = registrar.recorded()
    champion, now = standing_that_holds(registrar, change, versions).champion, standing_of(versions).champion
    if champion == now:
        return
    foreign = change is not None and change.workspace != registrar.workspace
    where = f"the record of workspace {change.workspace}" if change and foreign else str(registrar.journal.path)
    gone = champion is not None and champion not in [version.version for version in versions]
    raise RegistryError(
        f"The registry says that the champion of the model {registrar.model} is {named(now)}, and {where} that it is "
        f"{named(champion)}"
        + (
            ", which is not in the registry any more: restore it, or go back with `ganops rollback --to VERSION`."
            if gone
            else ": somebody moved the alias by hand, or the registry gave an old answer. `ganops doctor` shows what "
            "differs, and `ganops doctor --repair` restores what the journal says."
        )
        + " Nothing was promoted."
    )
