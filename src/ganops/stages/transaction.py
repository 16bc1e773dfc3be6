"""A change of champion, whole or not at all.

The change is announced in the journal, carried out in steps that may each be done twice, looked at again, and
answered in the journal. What a killed process leaves is an announcement without an answer: `recover` finishes it,
or takes it back where its version is gone. Callers hold the promotion lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

from ganops.errors import RegistryError
from ganops.ports import Alias, ModelRegistry, ModelVersion, Stage
from ganops.provenance.journal import Entry, Journal

Kind = Literal["promoted", "rolled-back"]
"""What the journal's answer to an intent is called."""


@final
@dataclass(frozen=True)
class Standing:
    """Which versions the aliases name. The stages follow: Production, Staging and Archived for all others."""

    champion: int | None
    previous: int | None
    challenger: int | None

    def stage_of(self, version: ModelVersion) -> Stage:
        if version.version == self.champion:
            return "Production"
        if version.version == self.challenger:
            return "Staging"
        return "None" if version.stage == "None" else "Archived"

    def without_challenger(self, version: int) -> Standing:
        """The same, but `version` is no longer the challenger."""
        return replace(self, challenger=None if self.challenger == version else self.challenger)

    def version(self, alias: Alias) -> int | None:
        named: int | None = getattr(self, alias)
        return named


@final
@dataclass(frozen=True)
class Pointed:
    """An alias that has to name another version, or none."""

    alias: Alias
    version: int | None

    def carry_out(self, registry: ModelRegistry) -> None:
        registry.point(self.alias, self.version)

    def __str__(self) -> str:
        return f"alias {self.alias} to {'nothing' if self.version is None else f'version {self.version}'}"


@final
@dataclass(frozen=True)
class Moved:
    """A version that has to be in another stage."""

    version: int
    stage: Stage

    def carry_out(self, registry: ModelRegistry) -> None:
        registry.move(self.version, self.stage)

    def __str__(self) -> str:
        return f"version {self.version} to stage {self.stage}"


def standing_of(versions: Sequence[ModelVersion]) -> Standing:
    """As the registry's aliases have it."""
    named = {alias: version.version for version in versions for alias in version.aliases}
    return Standing(named.get("champion"), named.get("previous"), named.get("challenger"))


def changes(standing: Standing, versions: Sequence[ModelVersion]) -> tuple[Pointed | Moved, ...]:
    """What has to be done for the registry to be as `standing` says: nothing where it is so already.

    In the order in which a process may be killed between any two: the way back is written before the champion
    changes, and a version enters Production before another leaves it.
    """
    now = standing_of(versions)
    aliases: tuple[Alias, ...] = ("previous", "champion", "challenger")
    pointed = [
        Pointed(alias, standing.version(alias)) for alias in aliases if now.version(alias) != standing.version(alias)
    ]
    moved = [Moved(v.version, standing.stage_of(v)) for v in versions if v.stage != standing.stage_of(v)]
    return (*pointed, *sorted(moved, key=lambda move: move.stage != "Production"))


def settle(registry: ModelRegistry, standing: Standing) -> tuple[Pointed | Moved, ...]:
    """Bring the registry to `standing`, look again, and return what had to be changed.

    Raises:
        RegistryError: the registry does not answer, or is not as it was told to be.
    """
    done = changes(standing, registry.versions())
    for change in done:
        change.carry_out(registry)
    if left := changes(standing, registry.versions()):
        raise RegistryError(
            f"The registry did not confirm {', '.join(map(str, left))}: something else wrote to it. Look at it, and "
            "run `ganops recover`."
        )
    return done


def change_champion(
    registry: ModelRegistry,
    journal: Journal,
    kind: Kind,
    to: ModelVersion,
    versions: Sequence[ModelVersion],
    reason: str,
    details: Mapping[str, Any],
) -> Entry:
    """Make `to` the champion, and the champion of now the previous one; returns the journal's last line of it.

    Raises:
        RegistryError: the registry failed on the way: `recover` goes on from there.
    """
    now = standing_of(versions)
    announced = {
        **details,
        "model": to.name,
        "kind": kind,
        "from": now.champion,
        "to": to.version,
        "previous": now.previous,
        "snapshot": to.snapshot_sha256,
    }
    return _finish(registry, journal, journal.append("intended", to.version, reason, announced))


def recover(registry: ModelRegistry, journal: Journal, model: str) -> Entry | None:
    """Finish what a killed process began, or take it back where its version is gone; None where nothing is open.

    Raises:
        RegistryError: the registry does not answer.
    """
    intent = journal.open_intent(model)
    if intent is None:
        return None
    there = {version.version: version.snapshot_sha256 for version in registry.versions()}
    if there.get(intent.details["to"]) == intent.details["snapshot"]:
        return _finish(registry, journal, intent)
    before, previous = (number if number in there else None for number in _before(intent))
    settle(registry, Standing(before, previous, standing_of(registry.versions()).challenger))
    reason = f"Version {intent.version} is no longer in the registry: what was begun with it is taken back."
    return journal.append("undone", intent.version, reason, {"model": model, "intent": intent.digest, "to": before})


def _finish(registry: ModelRegistry, journal: Journal, intent: Entry) -> Entry:
    before, previous = _before(intent)
    to, now = int(intent.details["to"]), standing_of(registry.versions())
    standing = Standing(to, before if before not in (None, to) else previous, now.challenger)
    settle(registry, standing.without_challenger(to))
    kind: Kind = intent.details["kind"]
    return journal.append(kind, intent.version, intent.reason, {**intent.details, "intent": intent.digest})


def _before(intent: Entry) -> tuple[int | None, int | None]:
    """Champion and previous champion as they were."""
    return intent.details["from"], intent.details["previous"]
