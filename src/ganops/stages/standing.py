"""Aliases and stages, which always say the same: champion is Production, challenger Staging, all others Archived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from ganops.errors import RegistryError
from ganops.ports import Alias, ModelRegistry, ModelVersion, Stage
from ganops.stages.tags import Standing

_ALIASES: tuple[Alias, ...] = ("previous", "champion", "challenger")


@final
@dataclass(frozen=True)
class Pointed:
    """An alias that has to name another version, or none."""

    alias: Alias
    version: int | None
    now: int | None

    def carry_out(self, registry: ModelRegistry) -> None:
        registry.point(self.alias, self.version)

    def __str__(self) -> str:
        return f"alias {self.alias} to {_named(self.version)} (it names {_named(self.now)})"


@final
@dataclass(frozen=True)
class Moved:
    """A version that has to be in another stage."""

    version: int
    stage: Stage
    now: Stage

    def carry_out(self, registry: ModelRegistry) -> None:
        registry.move(self.version, self.stage)

    def __str__(self) -> str:
        return f"version {self.version} to stage {self.stage} (it is in {self.now})"


def standing_of(versions: Sequence[ModelVersion]) -> Standing:
    """As the registry's aliases have it."""
    named = {alias: version.version for version in versions for alias in version.aliases}
    return Standing(named.get("champion"), named.get("previous"), named.get("challenger"))


def stage_of(standing: Standing, version: ModelVersion) -> Stage:
    """The stage that goes with a version's aliases; a new one, which had none yet, stays in none."""
    if version.version == standing.champion:
        return "Production"
    if version.version == standing.challenger:
        return "Staging"
    return "None" if version.stage == "None" else "Archived"


def changes(standing: Standing, versions: Sequence[ModelVersion]) -> tuple[Pointed | Moved, ...]:
    """What has to be done for the registry to be as `standing` says: nothing where it is so already."""
    now = standing_of(versions)
    pointed = [
        Pointed(alias, standing.version(alias), now.version(alias))
        for alias in _ALIASES
        if standing.version(alias) != now.version(alias)
    ]
    moved = [
        Moved(version.version, stage, version.stage)
        for version in versions
        if (stage := stage_of(standing, version)) != version.stage
    ]
    return (*pointed, *sorted(moved, key=lambda move: move.stage != "Production"))


def put(registry: ModelRegistry, standing: Standing, leaving: int | None) -> None:
    """Set all aliases, then all stages, and look again.

    leaving: the version that is champion no longer.

    In the order in which a process may be killed between any two: the way back is written before the champion
    changes, and Production changes hands in one step. Nothing is left out because it seems to be so already: a
    registry that gives old answers would have it both ways.

    Raises:
        RegistryError: the registry does not answer, or is not as it was told to be.
    """
    for alias in _ALIASES:
        registry.point(alias, standing.version(alias))
    if standing.champion is not None:
        registry.move(standing.champion, "Production")
    elif leaving is not None:
        registry.move(leaving, "Archived")
    if standing.challenger not in (None, standing.champion):
        assert standing.challenger is not None
        registry.move(standing.challenger, "Staging")
    settle(registry, standing)


def settle(registry: ModelRegistry, standing: Standing) -> tuple[Pointed | Moved, ...]:
    """Change what is not as `standing` says, look again, and return what had to be changed.

    Raises:
        RegistryError: the registry does not answer, or is not as it was told to be.
    """
    done = changes(standing, registry.versions())
    for change in done:
        change.carry_out(registry)
    if done and (left := changes(standing, registry.versions())):
        raise RegistryError(
            f"The registry did not confirm {', '.join(map(str, left))}: it gives old answers, or something else writes "
            "to it."
        )
    return done


def _named(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"
