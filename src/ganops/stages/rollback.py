"""rollback: an earlier champion becomes champion again. Nothing is deleted; the history grows by a line."""

from __future__ import annotations

from ganops.errors import UserError
from ganops.ports import ModelVersion
from ganops.provenance.journal import Entry, Journal
from ganops.stages.drift import standing_by_journal
from ganops.stages.registrar import Registrar
from ganops.stages.servable import require_servable
from ganops.stages.session import opened
from ganops.stages.tags import was_champion
from ganops.stages.transaction import change_champion
from ganops.stages.versions import champion_of, version_of


def rollback(registrar: Registrar, to: int | None, reason: str) -> Entry:
    """Make version `to`, or the champion before this one, champion again; returns the journal's last line of it.

    Raises:
        UserError: there is no champion, or no earlier one; `to` never was in production or is there already.
        SnapshotError: the earlier version's files are damaged.
        RegistryError: the registry does not answer or does not confirm.
    """
    with opened(registrar, drifted=True) as session:
        champion = champion_of(session.versions)
        known = standing_by_journal(registrar.journal, registrar.model).champion
        if champion is None and known is None:
            raise UserError("There is no champion to roll back from. `ganops status` shows what there is.")
        number = to if to is not None else session.standing.previous
        if number is None:
            raise UserError("There is no earlier champion to roll back to. `ganops history` shows what there was.")
        version = version_of(session.versions, number)
        if champion is not None and number == champion.version:
            raise UserError(f"Version {number} is the champion already: there is nothing to roll back.")
        before = former_champions(registrar.journal, version)
        registrar.verify(version)
        require_servable(registrar.registry, version)
        session.hold.require()
        there = [item.version for item in session.versions]
        way_back = next((number for number in before if number in there), None)
        return change_champion(registrar, "rolled-back", version, way_back, reason, {})


def former_champions(journal: Journal, version: ModelVersion) -> list[int]:
    """The champions before `version` became one, the last one first: the way back from it, were it champion again.

    Never a version that was rolled back from: going back twice goes back two steps, not there and back.

    Raises:
        UserError: it never was champion.
    """
    line: list[int] = []
    for entry in journal.of(version.name):
        if entry.event not in ("promoted", "rolled-back"):
            continue
        champion = entry.version
        line = line[: line.index(champion)] if champion in line else line
        line.append(champion)
    were = {entry.version for entry in journal.of(version.name) if entry.event in ("promoted", "rolled-back")}
    if version.version not in were and not was_champion(version):
        former = ", ".join(str(number) for number in sorted(were)) or "none"
        raise UserError(
            f"Version {version.version} was never in production, so that going to it is no rollback. Versions that "
            f"were: {former}. `ganops promote {version.version}` asks the gate."
        )
    return line[: line.index(version.version)][::-1] if version.version in line else line[::-1]
