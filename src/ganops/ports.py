"""What GanOps needs of its vendors: one protocol per role that is really used.

Adapters implement these; tests may fake them here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, final

import pyarrow as pa

from ganops.config import Severity, ValidateConfig

Stage = Literal["None", "Staging", "Production", "Archived"]
"""A registry stage, in MLflow's words."""

Alias = Literal["challenger", "champion", "previous"]


@final
@dataclass(frozen=True)
class RuleResult:
    """What one rule of the validation found."""

    rule: str
    severity: Severity
    success: bool
    expected: str
    """What the rule asks, for a person."""
    observed: str
    """What the data is, for a person."""
    offenders: tuple[int, ...] = field(default=())
    """Row numbers of the manifest that offend a rule on single images; empty for rules on the whole."""


class DataValidator(Protocol):
    """Judges a manifest (one row of facts per image) by declared rules."""

    def validate(self, manifest: pa.Table, rules: ValidateConfig, docs: Path) -> Sequence[RuleResult]:
        """One result per rule; writes pages for a person under `docs`."""
        ...


class Tracker(Protocol):
    """The record of runs: one per candidate that trained, under one parent per flow run."""

    def start(self, name: str, parent: str | None, parameters: Mapping[str, object], tags: Mapping[str, str]) -> str:
        """Begin a run; returns its id. A parent run is one started with `parent=None`."""
        ...

    def metrics(self, run: str, values: Mapping[str, float], step: int) -> None:
        """Record figures at `step` (images seen); those that are not finite are left out."""
        ...

    def dataset(self, run: str, name: str, digest: str, source: str) -> None:
        """Record which data the run was made from."""
        ...

    def artifacts(self, run: str, paths: Sequence[Path], folder: str) -> None:
        """Keep files, or folders whole, with the run."""
        ...

    def tag(self, run: str, tags: Mapping[str, str]) -> None: ...

    def end(self, run: str, succeeded: bool) -> None: ...

    def find(self, snapshot_sha256: str) -> str | None:
        """The run that a snapshot came of, if it is known."""
        ...


@final
@dataclass(frozen=True)
class ModelVersion:
    """One version in the registry."""

    name: str
    version: int
    snapshot_sha256: str
    stage: Stage
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    run: str | None


class Hold(Protocol):
    """A promotion lock that is held."""

    @property
    def identity(self) -> str:
        """Which lock it is, as everyone sees it who can take it: `file`, or `postgresql:…`."""
        ...

    def require(self) -> None:
        """Look whether it is held still; `RegistryError` where it was lost."""
        ...


PromotionLock = Callable[[], AbstractContextManager[Hold]]
"""Held while a champion may change; waits for whoever holds it, and not for ever."""


class ModelRegistry(Protocol):
    """Model versions, their stages and aliases. Any failure is a `RegistryError`: no promotion."""

    @property
    def name(self) -> str:
        """Of the registered model."""
        ...

    def versions(self) -> Sequence[ModelVersion]:
        """All versions, newest first."""
        ...

    def register(self, snapshot: Path, snapshot_sha256: str, run: str, tags: Mapping[str, str]) -> ModelVersion:
        """A new version, in no stage and with no alias yet."""
        ...

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """The version's snapshot as a directory below `folder`."""
        ...

    def point(self, alias: Alias, version: int | None) -> None:
        """Make `alias` name that version, or none. Says so to the registry even where it does so already."""
        ...

    def move(self, version: int, stage: Stage) -> None:
        """Put a version into a stage; into Production in one step with archiving whatever is there."""
        ...

    def model_tags(self) -> Mapping[str, str]:
        """The tags of the registered model itself; empty where there is none yet."""
        ...

    def tag_model(self, tags: Mapping[str, str]) -> None:
        """Tag the registered model itself, which exists."""
        ...

    def tag(self, version: ModelVersion, tags: Mapping[str, str]) -> None: ...
