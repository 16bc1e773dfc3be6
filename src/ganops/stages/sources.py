"""Who holds a piece of what is known of a workspace's versions, each read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

from ganops.errors import DamagedFile, GanOpsError, UnknownName
from ganops.files import read_plain
from ganops.ports import DataStore, KeyRing, ModelVersion, Repository, Tracker
from ganops.provenance.facts import Facts
from ganops.provenance.journal import MOST_BYTES, Entry
from ganops.provenance.verification import Reading, read_journal
from ganops.stages.registrar import Registrar
from ganops.stages.statements import KEY, Stated, read_stated, stating
from ganops.stages.tags import LOCK
from ganops.workspace import Workspace


@final
@dataclass(frozen=True)
class Sources:
    """A workspace, its registry and journal, its record, keys, repository and data; nothing of them is changed."""

    workspace: Workspace
    registrar: Registrar
    tracker: Tracker
    keys: KeyRing
    repository: Repository
    data: DataStore
    _read: dict[int, list[Stated]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def model(self) -> str:
        """The registered model's name."""
        return self.registrar.model

    @property
    def versions(self) -> Mapping[int, ModelVersion]:
        """The registry's, by number; none where it cannot be read."""
        return self._registry[0]

    @property
    def model_tags(self) -> Mapping[str, str]:
        """The registered model's; none where the registry cannot be read."""
        return self._registry[1]

    @property
    def registry_fault(self) -> str | None:
        """Why the registry cannot be read; None where it can."""
        return self._registry[2]

    @cached_property
    def _registry(self) -> tuple[Mapping[int, ModelVersion], Mapping[str, str], str | None]:
        registry = self.registrar.registry
        try:
            return {version.version: version for version in registry.versions()}, registry.model_tags(), None
        except GanOpsError as error:
            return {}, {}, fault_of(error)

    @cached_property
    def journal(self) -> Reading:
        """As far as it can be read."""
        try:
            return read_journal(read_plain(self.registrar.journal.path, MOST_BYTES))
        except FileNotFoundError:
            return read_journal(b"")
        except OSError as error:
            return Reading((), (), 0, f"The journal, journal/journal.jsonl, cannot be read ({error.strerror}).")

    @property
    def entries(self) -> list[Entry]:
        """Every readable line on this model."""
        model = self.registrar.model
        return [entry for entry in self.journal.entries if entry.details.get("model", model) == model]

    @cached_property
    def workspaces(self) -> frozenset[str]:
        """Ids of this workspace and of those that the journal's lines were written in."""
        written = {entry.details.get(name) for entry in self.entries for name in ("workspace", "owner")}
        return frozenset({self.registrar.workspace, *(each for each in written if isinstance(each, str))})

    @cached_property
    def in_git(self) -> bool:
        """Whether the workspace lies in a git repository with a commit."""
        return self.repository.state().commit is not None

    @cached_property
    def git_tags(self) -> Mapping[str, str]:
        """Messages of the model's tags in git, by name."""
        return self.repository.tag_messages(f"ganops/{self.model}/*")

    def stated(self, version: int) -> Stated | None:
        """The last statement of a version; None where there is none that can be read."""
        return next(reversed(self.statements(version)), None)

    def statements(self, version: int) -> Sequence[Stated]:
        """Those statements of a version, oldest first, that are as the journal names them."""
        if version not in self._read:
            self._read[version] = [stated for stated in map(self._tried, stating(self.entries, version)) if stated]
        return self._read[version]

    def _tried(self, entry: Entry) -> Stated | None:
        try:
            return read_stated(self.workspace.layout, self.keys, self.model, entry)
        except GanOpsError:  # the version's own look says so
            return None

    def require_stated(self, version: int) -> Facts:
        """What is stated of a version, which must be as the journal names it and signed as it says.

        Raises:
            UnknownName: the journal knows no such version.
            DamagedFile: it has no statement, or that is not what it was.
        """
        lines = stating(self.registrar.journal.of(self.model), version)
        if not lines:
            raise UnknownName(
                f"The journal names no statement of a version {version}. `ganops history` shows what it has."
            )
        stated = read_stated(self.workspace.layout, self.keys, self.model, lines[-1])
        if stated.key != lines[-1].details.get(KEY) or (stated.key is not None and not stated.verified):
            raise DamagedFile(
                f"The signature of {stated.path.relative_to(self.workspace.root)} does not fit, or is by a key that is "
                "not among those in keys/. `ganops audit verify` says more; nothing was made."
            )
        return stated.facts

    @cached_property
    def is_shared(self) -> bool:
        """Several workspaces register versions of this model, and each has its own journal."""
        return self.model_tags.get(LOCK, "file") != "file"


def fault_of(error: GanOpsError) -> str:
    """What an adapter says, without its word that nothing was promoted: an auditor promotes nothing."""
    said = str(error).removesuffix(" Nothing was promoted.")
    return said.replace(", and nothing was promoted.", ".")
