"""The looks at one version: its statement and signature, its files, tags and figures, its data, its decision."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

from ganops.errors import GanOpsError
from ganops.files import digest_json, read_json, sha256_file
from ganops.ports import KeyRing, ModelVersion
from ganops.provenance.facts import Facts
from ganops.provenance.journal import Entry
from ganops.provenance.verification import Finding, Kind, Look, decision_finding, differences
from ganops.stages.attest import ARTIFACTS
from ganops.stages.audit_decision import decided_as_stated
from ganops.stages.facts import digests
from ganops.stages.outcomes import last_outcome
from ganops.stages.sources import Sources, fault_of
from ganops.stages.statements import (
    KEY,
    MODEL_SIGNATURE,
    NUMBER,
    SIGNATURE,
    Stated,
    read_stated,
    statements_folder,
    stating,
)
from ganops.stages.tags import DECIDED_BY, DECISION, REASON

_EDITED = (
    "it was edited by hand; or a command was killed before it wrote it, and the next one that changes something, or "
    "`ganops doctor --repair`, writes it anew."
)


@final
@dataclass(frozen=True)
class VersionAudit:
    """The looks at one version. whole: the journal is, so that what it does not have was never in it."""

    sources: Sources
    number: int
    whole: bool = True

    def looks(self) -> tuple[list[Look], list[str]]:
        """(looks, remarks)"""
        looks = [Look("statement", self.number, "", tuple(self._statements()))]
        stated = self.sources.stated(self.number)
        count = len(self._lines)
        if stated is None:
            found = (*looks[0].findings, *(self._unstated() if self.whole else ()))
            return [self._look("statement", "The journal that is left names none.", found, applies=False)], []
        looks[0] = self._look(
            "statement", f"{count} statement{'s' * (count > 1)}, as the journal names them.", looks[0].findings
        )
        signed = stated.key is not None
        looks.append(self._look("signature", _signed(stated), tuple(self._signature(stated)), applies=signed))
        version = self.sources.versions.get(self.number)
        if version is not None:
            files = f"{len(stated.facts.model.files)} files, those that were stated."
            looks += [
                self._look("files", files, tuple(self._files(version, stated))),
                self._look(
                    "registry",
                    "Its tags are as journal and statement have them.",
                    tuple(self._tags(version, stated.facts)),
                ),
                self._look("record", "MLflow's figures are those that were stated.", tuple(self._record(stated.facts))),
            ]
        edited, remarks = self._data(stated.facts)
        images = "are not here to be looked at" if remarks else "are those that were stated"
        seen = f"The images it was trained on {images}."
        looks.append(self._look("data", seen, tuple(edited), applies=not remarks))
        decided, found = stated.facts.decision is not None, tuple(self._decisions(stated.facts))
        looks.append(self._look("decision", _decided(stated.facts), found, applies=decided))
        return looks, remarks

    def _look(self, kind: Kind, sentence: str, findings: tuple[Finding, ...], applies: bool = True) -> Look:
        return Look(kind, self.number, sentence, findings, applies)

    def _found(self, kind: Kind, sentence: str) -> Finding:
        return Finding(kind, self.number, sentence)

    @cached_property
    def _lines(self) -> list[Entry]:
        return stating(self.sources.entries, self.number)

    # ------------------------------------------------------------ statements and signatures

    def _statements(self) -> Iterator[Finding]:
        layout, keys, model = self.sources.workspace.layout, self.sources.keys, self.sources.model
        for entry in self._lines:
            try:
                stated = read_stated(layout, keys, model, entry)
            except GanOpsError as error:
                yield self._found("statement", str(error))
                continue
            if stated.key != entry.details.get(KEY):
                by = entry.details.get(KEY)
                yield self._found(
                    "signature",
                    f"Statement {stated.number} of version {self.number} is signed by {_key(stated.key)}, and by the "
                    f"journal it is signed by {_key(by if isinstance(by, str) else None)}.",
                )
            elif stated.key is not None and not stated.verified:
                yield self._found(
                    "signature",
                    f"The signature of statement {stated.number} of version {self.number} is by {_key(stated.key)} and "
                    f"does not fit, or that key is not among those {_trusted(self.sources.keys)}.",
                )
            elif stated.key is None and self.sources.keys.given:
                yield self._found(
                    "signature",
                    f"Statement {stated.number} of version {self.number} is not signed, and only what was signed with "
                    "the keys that were given counts.",
                )
            yield from self._copy(stated)

    def _copy(self, stated: Stated) -> Iterator[Finding]:
        """MLflow has a copy of each statement."""
        run = stated.facts.runs.mlflow_run
        if run is None or self.sources.registry_fault is not None:
            return
        try:
            kept = self.sources.tracker.kept(run, f"{ARTIFACTS}/{stated.path.name}")
        except GanOpsError as error:
            yield self._found(
                "statement",
                f"The copy of statement {stated.number} of version {self.number} in MLflow ({ARTIFACTS}/"
                f"{stated.path.name} of run {run}) cannot be read. {fault_of(error)}",
            )
            return
        if kept is None:
            yield self._found(
                "statement",
                f"The copy of statement {stated.number} of version {self.number} in MLflow ({ARTIFACTS}/"
                f"{stated.path.name} of run {run}) is gone.",
            )
        elif kept != stated.path.read_bytes():
            yield self._found(
                "statement",
                f"The copy of statement {stated.number} of version {self.number} in MLflow ({ARTIFACTS}/"
                f"{stated.path.name} of run {run}) was edited or exchanged: it is not the one in the journal's folder.",
            )

    def _unstated(self) -> Iterator[Finding]:
        if not self._lines:
            yield self._found(
                "statement",
                f"Version {self.number} has no statement: it was registered by something else than GanOps, or by a "
                "version of it that made none.",
            )

    def _signature(self, stated: Stated) -> Iterator[Finding]:
        """The signature over the model's files is the one that the journal names."""
        last = next((entry for entry in self._lines if entry.details.get(NUMBER) == stated.number), None)
        signature = last.details.get(SIGNATURE) if last else None
        path = self._signature_path
        if not isinstance(signature, str):
            return
        name = path.relative_to(self.sources.workspace.root)
        if not path.is_file():
            yield self._found("signature", f"{name}, the signature over the files of version {self.number}, is gone.")
        elif sha256_file(path) != signature:
            yield self._found("signature", f"{name} is not the signature that the journal names: it was exchanged.")

    @property
    def _signature_path(self) -> Path:
        folder = statements_folder(self.sources.workspace.layout, self.sources.model, self.number)
        return folder / MODEL_SIGNATURE

    # ------------------------------------------------------------ files, tags, figures

    def _files(self, version: ModelVersion, stated: Stated) -> Iterator[Finding]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                model = self.sources.registrar.registry.download_model(version, Path(folder))
            except GanOpsError as error:
                yield self._found("files", f"The files of version {self.number} cannot be had. {fault_of(error)}")
                return
            for difference in differences(stated.facts.model.files, digests(model)):
                yield self._found("files", f"Of the files of version {self.number}, {difference}.")
            if stated.key is not None and self._signature_path.is_file():
                said = self.sources.keys.folder_difference(model, self._signature_path, stated.key)
                if said is not None:
                    yield self._found(
                        "signature", f"The files of version {self.number} are not those that were signed: {said}."
                    )

    def _tags(self, version: ModelVersion, facts: Facts) -> Iterator[Finding]:
        value = facts.scores.metrics.get("fd_star", {}).get("value")
        protocol = facts.scores.report.get("protocol")
        score = protocol.get("score") if isinstance(protocol, dict) else None
        stated = {
            "ganops.snapshot_sha256": facts.model.snapshot,
            "ganops.candidate": facts.model.candidate,
            **({"ganops.score": score} if isinstance(score, str) else {}),
            **({"ganops.fd": f"{value:.6g}"} if isinstance(value, float) else {}),
        }
        for name, said in stated.items():
            if version.tags.get(name) != said:
                yield self._found(
                    "registry",
                    f"The registry's tag {name} of version {self.number} is {_shown(version.tags.get(name))}, and its "
                    f"statement says {said}: it was edited by hand.",
                )
        if version.run != facts.runs.mlflow_run:
            yield self._found(
                "registry",
                f"The registry says that version {self.number} came of run {version.run}, and its statement says "
                f"{facts.runs.mlflow_run}.",
            )
        if self.whole:
            yield from self._decision_tags(version)

    def _decision_tags(self, version: ModelVersion) -> Iterator[Finding]:
        """They are those of the journal's last decision on the version."""
        by = version.tags.get(DECIDED_BY)
        if self.sources.is_shared and by != self.sources.registrar.workspace:  # it stands in another journal
            return
        last = last_outcome(self.sources.entries, self.number)
        if last is None and by is None and DECISION not in version.tags:
            return
        outcome, reason = (last[0], last[1].reason) if last is not None else (None, "")
        there = version.tags.get(DECISION)
        if there != outcome:
            yield self._found(
                "registry",
                f"The registry's tag {DECISION} of version {self.number} is {_shown(there)}, and by the journal's last "
                f"line on it, it is {_shown(outcome)}: {_EDITED}",
            )
        elif not _is_kept(version.tags.get(REASON, ""), reason):
            yield self._found(
                "registry",
                f"The registry's tag {REASON} of version {self.number} is not the journal's reason: {_EDITED}",
            )
        if by not in self.sources.workspaces:
            yield self._found(
                "registry",
                f"The registry's tag {DECIDED_BY} of version {self.number} is {_shown(by)}, which is no workspace that "
                f"the journal knows: {_EDITED}",
            )

    def _record(self, facts: Facts) -> Iterator[Finding]:
        run, stated = facts.runs.mlflow_run, facts.scores.figures()
        if run is None:
            return
        try:
            record = self.sources.tracker.read(run, tuple(stated))
        except GanOpsError as error:
            yield self._found("record", f"The MLflow run of version {self.number} cannot be read. {fault_of(error)}")
            return
        measured_anew = self._figures_of_today(facts)
        for name, value in stated.items():
            right = {value, measured_anew.get(name, value)}
            kept = {*record.history.get(name, ()), *([record.latest[name]] if name in record.latest else [])}
            if value not in kept or not kept <= right:
                odd = sorted(kept - right)
                yield self._found(
                    "record",
                    f"The metric {name} of version {self.number} in MLflow's run {run} is "
                    f"{', '.join(f'{item:.6g}' for item in odd) or 'missing'}, and its statement says {value:.6g}: it "
                    "was edited by hand.",
                )

    def _figures_of_today(self, facts: Facts) -> dict[str, float]:
        """A snapshot that was measured anew after it was registered has two figures, rightly."""
        path = self.sources.workspace.layout.evaluate_dir(facts.model.candidate) / "report.json"
        try:
            report = read_json(path)
        except (GanOpsError, FileNotFoundError):
            return {}
        same = isinstance(report, dict) and report.get("snapshot_sha256") == facts.model.snapshot
        return facts.scores.replaced(report=report).figures() if same else {}

    # ------------------------------------------------------------ data and decision

    def _data(self, facts: Facts) -> tuple[list[Finding], list[str]]:
        """(findings, remarks)"""
        found = list(self._commit(facts.code.commit))
        damage = self.sources.data.damage(facts.data.dvc_md5)
        found += [self._found("data", f"Of the images of version {self.number}, {said}") for said in damage.edited]
        if self._is_data_of_today(facts):
            now = digests(self.sources.workspace.layout.raw)
            found += [
                self._found("data", f"Of the images of version {self.number}, data/raw/{said}.")
                for said in differences(facts.data.shards, now)
            ]
        elif damage.missing:
            return found, [
                f"The images of version {self.number} could not be looked at here: {damage.missing[0]} `dvc fetch` may "
                "bring them."
            ]
        return found, []

    def _commit(self, commit: str | None) -> Iterator[Finding]:
        if commit is not None and self.sources.in_git and not self.sources.repository.holds(commit):
            yield self._found(
                "data",
                f"Version {self.number} was made at commit {commit[:12]}, which the repository does not hold: its "
                "history was rewritten, or is not here whole.",
            )

    def _is_data_of_today(self, facts: Facts) -> bool:
        pointer = self.sources.workspace.layout.raw.with_suffix(".dvc")
        return pointer.is_file() and facts.data.dvc_md5 in pointer.read_text(encoding="utf-8", errors="replace")

    def _decisions(self, facts: Facts) -> Iterator[Finding]:
        yield from self._promoted_rightly()
        yield from decided_as_stated(self.sources, self.number)
        if (decision := facts.decision) is None:
            return
        if (finding := decision_finding(self.number, decision)) is not None:
            yield finding
        evidence = {"comparison": dict(decision.comparison), "decision": dict(decision.decision)}
        folder = self.sources.registrar.journal.folder
        for name, stated in {"decisions": evidence, "comparisons": evidence["comparison"]}.items():
            path = folder / name / f"{decision.pair}.json"
            if (what := _changed(path, stated)) is not None:
                yield self._found(
                    "decision",
                    f"{path.relative_to(self.sources.workspace.root)}, the evidence that version {self.number} was "
                    f"decided on, {what}: the statement holds it as it was.",
                )
        told = {
            entry.details.get("evidence")
            for entry in self.sources.entries
            if entry.details.get("pair") == decision.pair
        }
        if told - {None} and digest_json(evidence) not in told:
            yield self._found(
                "decision", f"The statement of version {self.number} holds other evidence than the journal names."
            )

    def _promoted_rightly(self) -> Iterator[Finding]:
        """No promotion without the gate's or a person's word."""
        for entry in self.sources.entries:
            refused = entry.details.get("gate", "promote") != "promote" and "approved" not in entry.details
            if entry.event == "promoted" and entry.version == self.number and refused:
                yield self._found(
                    "decision", f"Version {self.number} was promoted on {entry.time}, though the gate said no."
                )


def _changed(path: Path, stated: object) -> str | None:
    """What became of stored evidence; None where it is as stated, whose numbers are all finite."""
    try:
        same = digest_json(read_json(path)) == digest_json(stated)
    except FileNotFoundError:
        return "is gone"
    except GanOpsError:
        return "cannot be read any more: it was edited, damaged or replaced"
    except (ValueError, RecursionError):  # NaN, or half a character
        return "was edited"
    return None if same else "was edited"


def _signed(stated: Stated) -> str:
    return f"Signed by {_key(stated.key)}." if stated.key else "Nothing is signed, so that nothing can be verified."


def _decided(facts: Facts) -> str:
    return "The gate says again what it said." if facts.decision else "The gate was not asked yet."


def _is_kept(tag: str, reason: str) -> bool:
    """Whether a tag says what the journal says; the registry cuts long texts."""
    return tag == reason or (len(tag) >= 1000 and reason.startswith(tag))


def _trusted(keys: KeyRing) -> str:
    return "that were given" if keys.given else "in keys/"


def _key(key: str | None) -> str:
    return f"key {key[:12]}" if key else "nobody"


def _shown(value: str | None) -> str:
    return "missing" if value is None else f"'{value[:80]}'"
