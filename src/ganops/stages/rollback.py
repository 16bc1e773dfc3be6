"""rollback: an earlier champion becomes champion again. Nothing is deleted; the history grows by a line."""

from __future__ import annotations

from ganops.errors import UserError
from ganops.ports import ModelRegistry, ModelVersion, PromotionLock
from ganops.provenance.journal import Entry, Journal
from ganops.stages.servable import require_servable
from ganops.stages.transaction import change_champion, recover, standing_of
from ganops.stages.versions import champion_of, version_of


def rollback(registry: ModelRegistry, journal: Journal, lock: PromotionLock, to: int | None, reason: str) -> Entry:
    """Make version `to`, or the alias `previous`, champion again; returns the journal's last line of it.

    Raises:
        UserError: there is no champion, or no earlier one; `to` never was in production or is there already.
        SnapshotError: the earlier version's files are damaged.
        RegistryError: the registry does not answer or does not confirm.
    """
    with lock():
        recover(registry, journal, registry.name)
        versions = registry.versions()
        champion = champion_of(versions)
        if champion is None:
            raise UserError("There is no champion to roll back from. `ganops status` shows what there is.")
        number = to if to is not None else standing_of(versions).previous
        if number is None:
            raise UserError("There is no earlier champion to roll back to. `ganops history` shows what there was.")
        version = version_of(versions, number)
        if number == champion.version:
            raise UserError(f"Version {number} is the champion already: there is nothing to roll back.")
        _require_former_champion(journal, version)
        require_servable(registry, version)
        details = {"from_snapshot": champion.snapshot_sha256}
        entry = change_champion(registry, journal, "rolled-back", version, versions, reason, details)
        registry.tag(champion, {"ganops.decision": "rolled-back", "ganops.reason": reason[:5000]})
        return entry


def _require_former_champion(journal: Journal, version: ModelVersion) -> None:
    were = [entry.version for entry in journal.of(version.name) if entry.event in ("promoted", "rolled-back")]
    if version.version not in were:
        former = ", ".join(str(number) for number in sorted(set(were))) or "none"
        raise UserError(
            f"Version {version.version} was never in production, so that going to it is no rollback. Versions that "
            f"were: {former}. `ganops promote {version.version}` asks the gate."
        )
