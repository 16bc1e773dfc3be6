"""What the registry carries of the journal: tags on the registered model, read by every workspace, and on versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, final

from ganops.errors import RegistryError
from ganops.files import canonical_json
from ganops.ports import Alias, ModelVersion
from ganops.provenance.journal import Entry

OWNER = "ganops.owner"
"""Of the model: the id of the workspace that made it."""
LOCK = "ganops.lock"
"""Of the model: what everyone who promotes has to hold, as `Hold.identity` says it."""
CHANGE = "ganops.change"
"""Of the model: the last change of champion, as `Change`."""
DECISION, REASON, DECIDED_BY = "ganops.decision", "ganops.reason", "ganops.decided_by"
"""Of a version: what was decided on it last, why, and in which workspace's journal that stands."""
ANCHOR = "ganops.journal"
"""Of a version: COUNT:DIGEST of the journal after the last line on it."""
_TEXT = 5000
"""Characters that MLflow keeps of a tag."""


def anchor_of(workspace: str) -> str:
    """The model's tag with COUNT:DIGEST of that workspace's journal."""
    return f"{ANCHOR}.{workspace}"


def carried_out(intent: str) -> str:
    """A version's tag: what came of the announced change of that digest, whoever carried it out."""
    return f"ganops.intent.{intent[:32]}"


def mark_of(model: str, entry: Entry, number: int) -> str:
    """The git tag that notes line `number` of the journal."""
    return f"ganops/{model}/v{entry.version}-{entry.event}-{number}"


def was_champion(version: ModelVersion) -> bool:
    """Whether some workspace made it the champion once."""
    return any(name.startswith("ganops.intent.") and value == "champion" for name, value in version.tags.items())


def decided(event: str, reason: str, workspace: str) -> dict[str, str]:
    """A version's tags for the last decision on it."""
    return {DECISION: event, REASON: reason[:_TEXT], DECIDED_BY: workspace}


@final
@dataclass(frozen=True)
class Standing:
    """Which versions the aliases name."""

    champion: int | None = None
    previous: int | None = None
    challenger: int | None = None

    def version(self, alias: Alias) -> int | None:
        named: int | None = getattr(self, alias)
        return named

    def without_challenger(self, version: int) -> Standing:
        """The same, but `version` is no longer the challenger."""
        return replace(self, challenger=None if self.challenger == version else self.challenger)

    def among(self, versions: Mapping[int, ModelVersion]) -> Standing:
        """The same without versions that are gone."""
        return Standing(*(number if number in versions else None for number in asdict(self).values()))

    def to_json(self) -> dict[str, int | None]:
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Standing:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        numbers = (value["champion"], value["previous"], value["challenger"])
        return Standing(*(None if number is None else int(number) for number in numbers))


@final
@dataclass(frozen=True)
class Change:
    """A change of champion as the registered model carries it, so that any workspace can finish another's.

    workspace, intent: whose journal announced it, and under which digest. version: that it was about.
    snapshot: of the version that becomes champion.
    """

    workspace: str
    intent: str
    version: int
    snapshot: str | None
    before: Standing
    after: Standing
    done: bool

    def to_tag(self) -> str:
        return canonical_json(asdict(self)).decode()


def change_in(tags: Mapping[str, str]) -> Change | None:
    """The last change of champion; None where none was written down.

    Raises:
        RegistryError: the tag is not what GanOps writes.
    """
    written = tags.get(CHANGE)
    if written is None:
        return None
    try:
        value = json.loads(written)
        return Change(
            workspace=str(value["workspace"]),
            intent=str(value["intent"]),
            version=int(value["version"]),
            snapshot=None if value["snapshot"] is None else str(value["snapshot"]),
            before=Standing.from_json(value["before"]),
            after=Standing.from_json(value["after"]),
            done=bool(value["done"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RegistryError(
            f"The registered model's tag {CHANGE}, the last change of champion, was edited: it cannot be read. Nothing "
            "was promoted; `ganops doctor --repair` writes it anew from the journal."
        ) from None


def attempt_tag(pair: str) -> str:
    """A version's tag: `K REFERENCE`, the how-manieth try on a reference that its pair was."""
    return f"ganops.try.{pair}"


def attempts_in(versions: Sequence[ModelVersion], reference: str) -> dict[str, int]:
    """The k of each pair that any workspace has tried on `reference`; what was edited is left out."""
    tried = {}
    for version in versions:
        for name, value in version.tags.items():
            attempt, _, of = value.partition(" ")
            if name.startswith("ganops.try.") and of == reference and attempt.isdecimal():
                tried[name.removeprefix("ganops.try.")] = int(attempt)
    return tried
