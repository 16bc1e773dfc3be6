"""The notary: states where a version comes from and what was decided on it, and holds versions to their statements."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ganops.errors import DamagedFile, UserError
from ganops.files import sha256_bytes, sha256_file, write_bytes
from ganops.ports import KeyRing, ModelRegistry, ModelVersion, Repository, Tracker
from ganops.provenance.facts import DecisionFacts, Facts
from ganops.provenance.journal import Journal
from ganops.provenance.statement import statement_of
from ganops.provenance.verification import differences
from ganops.stages.facts import digests, gathered, journal_end, now
from ganops.stages.statements import (
    KEY,
    MODEL_SIGNATURE,
    NUMBER,
    SIGNATURE,
    STATEMENT,
    Stated,
    read_stated,
    statement_path,
    statements_folder,
    stating,
)
from ganops.workspace import Workspace

ARTIFACTS = "provenance"
"""Where a version's MLflow run keeps copies of what is stated of it."""


@final
@dataclass(frozen=True)
class WorkspaceNotary:
    """Implements `ports.Notary`. data_version: DVC's md5 of the raw data of now."""

    workspace: Workspace
    registry: ModelRegistry
    journal: Journal
    tracker: Tracker
    keys: KeyRing
    repository: Repository
    data_version: Callable[[], str]

    def registered(self, version: ModelVersion, candidate: str) -> Mapping[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            model = self.registry.download_model(version, Path(folder))
            if self.keys.signs_as is not None:
                self.keys.sign_folder(model, self._signature(version))
            files = digests(model)
        facts = gathered(
            self.workspace,
            self.journal,
            self.repository,
            self.data_version(),
            version,
            candidate,
            files,
            *self._record(version),
        )
        self._complete_record(facts)
        return self._kept(facts, self.keys.signs_as)

    def decided(self, version: ModelVersion, outcome: str, pair: str) -> Mapping[str, Any]:
        before = self.stated(version)
        if before is None:
            return {}
        self._require_signed_as_before(before)
        evidence = self.journal.decision(pair)
        assert evidence is not None, "a decision is stored before it is stated"
        decision = DecisionFacts(
            outcome=outcome,  # type: ignore[arg-type]  # pydantic looks
            pair=pair,
            comparison=evidence["comparison"],
            decision=evidence["decision"],
            policy=self.workspace.config.gate.model_dump(mode="json"),
        )
        seeds = {**before.facts.seeds, "comparison": int(evidence["comparison"]["protocol"]["seed"])}
        facts = before.facts.replaced(
            time=now(), actor=self.journal.actor, journal=journal_end(self.journal), decision=decision, seeds=seeds
        )
        # what was not signed when it was made is not vouched for later
        return self._kept(facts, self.keys.signs_as if before.key is not None else None)

    def require_as_stated(self, version: ModelVersion) -> None:
        """Look whether the registry's files are those that were stated, and the statement is signed as it has to be.

        Raises:
            DamagedFile: a file, the statement or a signature is not what it was.
            UserError: it is not signed, and `gate.require_signature` asks for that.
        """
        stated = self.stated(version)
        if self.workspace.config.gate.require_signature and (stated is None or stated.key is None):
            raise UserError(
                f"Version {version.version} of the model {version.name} is not signed, and gate.require_signature in "
                "params.yaml forbids to promote it. Make a key with `ganops keys init`, and register a model anew with "
                "`ganops run --when always`: what was not signed when it was made cannot be vouched for later."
            )
        if stated is None:
            return
        self._require_signed_as_before(stated)
        with tempfile.TemporaryDirectory() as folder:
            model = self.registry.download_model(version, Path(folder))
            found = differences(stated.facts.model.files, digests(model))
            if not found and stated.key is not None:
                said = self.keys.folder_difference(model, self._signature(version), stated.key)
                found = [f"the signature over them does not fit: {said}"] if said else []
        if found:
            raise DamagedFile(
                f"Version {version.version} of the model {version.name} is not what was stated when it was registered: "
                f"{'; '.join(found[:5])}. Nothing was promoted; find out who wrote to the registry."
            )

    def stated(self, version: ModelVersion) -> Stated | None:
        """The last statement of a version; None for one that was registered without.

        Raises:
            DamagedFile: it is not what the journal says.
        """
        lines = stating(self.journal.of(version.name), version.version)
        return read_stated(self.workspace.layout, self.keys, version.name, lines[-1]) if lines else None

    # ------------------------------------------------------------ keeping

    def _kept(self, facts: Facts, key: str | None) -> Mapping[str, Any]:
        """Store a statement, here and with the MLflow run; returns what the journal's line says of it."""
        model, statement = facts.model, statement_of(facts)
        version, layout = model.version, self.workspace.layout
        number = 1 + len(stating(self.journal.of(model.name), version))  # one that a killed process left is replaced
        payload = json.dumps(statement, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        content = self.keys.sealed(payload) if key is not None else statement
        path = statement_path(layout, model.name, version, number)
        data = (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
        write_bytes(path, data)
        signature = statements_folder(layout, model.name, version) / MODEL_SIGNATURE
        signed = key is not None and signature.is_file()
        if facts.runs.mlflow_run is not None:
            self.tracker.artifacts(facts.runs.mlflow_run, [path, *([signature] if signed else [])], ARTIFACTS)
        return {
            STATEMENT: sha256_bytes(data),
            NUMBER: number,
            KEY: key,
            SIGNATURE: sha256_file(signature) if signed else None,
        }

    def _require_signed_as_before(self, stated: Stated) -> None:
        """What is not as it was signed is not signed anew."""
        if stated.key is not None and not stated.verified:
            raise DamagedFile(
                f"The signature of {stated.path.relative_to(self.workspace.root)} does not fit, or is by the key "
                f"{stated.key[:12]}, which is not among those in keys/. Restore both with `git checkout journal keys`."
            )

    def _signature(self, version: ModelVersion) -> Path:
        return statements_folder(self.workspace.layout, version.name, version.version) / MODEL_SIGNATURE

    # ------------------------------------------------------------ the record

    def _record(self, version: ModelVersion) -> tuple[str | None, str | None]:
        """MLflow's run and Prefect's flow run that the version came of."""
        if version.run is None:
            return None, None
        parent = self.tracker.read(version.run, ()).parent
        flow_run = self.tracker.read(parent, ()).tags.get("ganops.flow_run") if parent else None
        return version.run, flow_run

    def _complete_record(self, facts: Facts) -> None:
        """A candidate that was evaluated without Prefect has no figures in MLflow, where they will be held to them."""
        if facts.runs.mlflow_run is None:
            return
        figures = facts.scores.figures()
        known = self.tracker.read(facts.runs.mlflow_run, tuple(figures)).latest
        self.tracker.metrics(
            facts.runs.mlflow_run, {name: value for name, value in figures.items() if known.get(name) != value}, 0
        )
