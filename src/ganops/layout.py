"""Where things lie in a workspace: names only, nothing is read or made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final


@final
@dataclass(frozen=True)
class Layout:
    """The paths of a workspace, all below `root`."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def pipeline(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def raw(self) -> Path:
        return self.data / "raw"

    @property
    def validated(self) -> Path:
        return self.data / "validated"

    @property
    def prepared(self) -> Path:
        return self.data / "prepared"

    @property
    def reference(self) -> Path:
        return self.data / "reference"

    @property
    def code(self) -> Path:
        """Digests of the GanOps sources that each stage runs: one small file a stage."""
        return self.data / "code"

    def candidate(self, name: str) -> Path:
        return self.data / "candidates" / name

    def train_dir(self, name: str) -> Path:
        return self.candidate(name) / "train"

    def snapshot(self, name: str) -> Path:
        return self.train_dir(name) / "snapshot"

    def snapshot_card(self, name: str) -> Path:
        """The file of a snapshot that says what it is, and names the digests of all others."""
        return self.snapshot(name) / "model.json"

    def evaluate_dir(self, name: str) -> Path:
        return self.candidate(name) / "evaluate"

    @property
    def state(self) -> Path:
        """Locks, checkpoints, embedded databases: of this machine, never in git."""
        return self.root / ".ganops"

    @property
    def checkpoints(self) -> Path:
        return self.state / "checkpoints"

    @property
    def journal(self) -> Path:
        """What was decided and why: in git, never in the state folder."""
        return self.root / "journal"

    @property
    def statements(self) -> Path:
        """What is stated of each model version, signed where there is a key."""
        return self.journal / "statements"

    @property
    def heads(self) -> Path:
        """The journal's signed end, where there is a key."""
        return self.journal / "heads"

    @property
    def private_keys(self) -> Path:
        return self.state / "keys"

    @property
    def public_keys(self) -> Path:
        """In git, for everybody who verifies."""
        return self.root / "keys"

    @property
    def reports(self) -> Path:
        return self.root / "reports"
