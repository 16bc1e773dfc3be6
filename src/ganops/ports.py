"""What GanOps needs of its vendors: one protocol per role that is really used.

Adapters implement these; tests may fake them here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, final

import pyarrow as pa

from ganops.config import Severity, ValidateConfig
from ganops.provenance.statement import Opened

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


@final
@dataclass(frozen=True)
class RunRecord:
    """A tracked run. latest, history: of each figure that was asked for and is there; parent: the run it lies under."""

    tags: Mapping[str, str]
    parent: str | None
    latest: Mapping[str, float]
    history: Mapping[str, tuple[float, ...]]


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

    def kept(self, run: str, path: str) -> bytes | None:
        """A file that is kept with a run; None where there is none."""
        ...

    def read(self, run: str, figures: Collection[str]) -> RunRecord:
        """A run as it is kept now, with those of its figures."""
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

    def download_model(self, version: ModelVersion, folder: Path) -> Path:
        """All files of the version, as they would be served, as a directory below `folder`."""
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


# ---------------------------------------------------------------- provenance


class Notary(Protocol):
    """States in writing what is known of a version, and looks whether a version is what was stated.

    What is stated is returned as details for the journal's line about it.
    """

    def registered(self, version: ModelVersion, candidate: str) -> Mapping[str, Any]:
        """State where a new version comes from."""
        ...

    def decided(self, version: ModelVersion, outcome: str, pair: str) -> Mapping[str, Any]:
        """State what the gate said of it, from the stored evidence of `pair`."""
        ...

    def require_as_stated(self, version: ModelVersion) -> None:
        """`DamagedFile` or `UserError` where the version is not what was stated and signed."""
        ...


class Seal(Protocol):
    """Signs the journal's end, where there is a key to sign with."""

    def require(self, signing: bool) -> None:
        """Look whether the journal is the one whose end was signed last.

        signing: it is to be signed, too, and what is missing for that is better said now.

        Raises:
            DamagedFile: it is another one, or the signed end cannot be read.
            UserError: the private key cannot be used.
        """
        ...

    def is_behind(self) -> bool:
        """Whether an earlier end was signed and the last one was not, and could be."""
        ...

    def renew(self) -> None:
        """Sign the journal's end, unless it is signed."""
        ...


class KeyRing(Protocol):
    """A workspace's keys: the one it signs with, where it has one, and those it trusts."""

    @property
    def given(self) -> Sequence[Path]:
        """An auditor's own copies of public keys: where there are some, no other key is trusted."""
        ...

    @property
    def signs_as(self) -> str | None:
        """Id of the key that statements are signed with; None: they stay unsigned."""
        ...

    def sealed(self, payload: bytes) -> Mapping[str, Any]:
        """`payload` in a signed envelope."""
        ...

    def opened(self, content: bytes) -> Opened:
        """A stored statement, signed or bare; `DamagedFile` where it is neither."""
        ...

    def sign_folder(self, folder: Path, signature: Path) -> None:
        """Sign every file in `folder`."""
        ...

    def folder_difference(self, folder: Path, signature: Path, key: str) -> str | None:
        """How `folder` differs from what was signed with the key of that id; None where it does not."""
        ...


@final
@dataclass(frozen=True)
class RepositoryState:
    """commit: None before the first, or without a repository. uncommitted: digest of what differs from it, None where
    nothing does; changed: names of the files that differ."""

    commit: str | None
    uncommitted: str | None
    changed: tuple[str, ...]


class Repository(Protocol):
    """The git repository that a workspace may lie in."""

    def state(self) -> RepositoryState: ...

    def fault(self) -> str | None:
        """What is wrong with the repository, where there is one that cannot be read; in a sentence."""
        ...

    def committed(self, name: str) -> bytes | None:
        """A workspace's file as it was committed last; None where it never was."""
        ...

    def first_committed(self, pattern: str) -> str | None:
        """When the first of the files whose names fit was committed, in ISO 8601; None where none was."""
        ...

    def holds(self, commit: str) -> bool:
        """Whether there is such a commit."""
        ...

    def tag_messages(self, pattern: str) -> Mapping[str, str]:
        """The annotated tags whose name fits, with what they say."""
        ...


@final
@dataclass(frozen=True)
class Damage:
    """Of a folder in DVC's cache, in sentences. edited: there, but other than recorded; missing: not there."""

    edited: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class DataStore(Protocol):
    """What DVC says of a workspace's data, held against the data itself."""

    def differences(self) -> Sequence[str]:
        """A sentence for each recorded folder or file that is not what was recorded."""
        ...

    def damage(self, md5: str) -> Damage:
        """What the cache does not hold as it was of a recorded folder."""
        ...

    def restore(self, md5: str, folder: Path) -> bool:
        """Fill `folder` from the cache; False where the cache does not hold it whole."""
        ...
