"""audit: everything that is stated of versions, held against everything that is there. Reads only.

An auditor asks, in this order: is the history whole, does the registry say what the history says, is the data what it
was, and of each version: is it stated and signed, are these its files, are these its figures, and does the gate still
say what it said. Each look yields findings, or a sentence on what was found in order.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

from ganops.errors import GanOpsError, UnknownName
from ganops.files import digest_json, read_json, sha256_bytes, sha256_file
from ganops.ports import DataStore, KeyRing, ModelVersion, Repository, Tracker
from ganops.provenance.facts import Facts
from ganops.provenance.journal import Entry
from ganops.provenance.verification import (
    Finding,
    Kind,
    Reading,
    anchor_finding,
    clock_findings,
    decision_finding,
    differences,
    read_journal,
)
from ganops.stages.attest import ARTIFACTS
from ganops.stages.drift import drift
from ganops.stages.facts import digests
from ganops.stages.registrar import Registrar
from ganops.stages.standing import standing_of
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
from ganops.stages.tags import ANCHOR, DECIDED_BY, DECISION, LOCK, REASON, anchor_of
from ganops.workspace import Workspace

_ANCHOR = re.compile(r"\b(\d{1,9}):([0-9a-f]{64})\b")


@final
@dataclass(frozen=True)
class Look:
    """One look at one thing. sentence: what was in order; findings: what was not."""

    kind: Kind
    version: int | None
    sentence: str
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        verdict = "failed" if self.findings else "passed"
        return {"kind": self.kind, "version": self.version, "verdict": verdict, "sentence": self.sentence}


@final
@dataclass(frozen=True)
class Audit:
    """What was looked at, and what has to be known beside: what is unsigned, what could not be looked at here."""

    versions: tuple[int, ...]
    looks: tuple[Look, ...]
    remarks: tuple[str, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for look in self.looks for finding in look.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "versions": list(self.versions),
            "clean": not self.findings,
            "findings": [finding.to_json() for finding in self.findings],
            "looks": [look.to_json() for look in self.looks],
            "remarks": list(self.remarks),
        }


@final
@dataclass(frozen=True)
class Auditor:
    """A workspace and all who hold a piece of what is known of its versions."""

    workspace: Workspace
    registrar: Registrar
    tracker: Tracker
    keys: KeyRing
    repository: Repository
    data: DataStore

    def audit(self, version: int | None) -> Audit:
        """Look at everything that all versions share, and at one version, or at each.

        Raises:
            UnknownName: neither registry nor journal knows that version.
            RegistryError: the registry does not answer.
        """
        known = sorted({*self.versions, *(entry.version for entry in self.entries if entry.event == "registered")})
        if version is not None and version not in known:
            there = ", ".join(map(str, known)) or "none"
            raise UnknownName(f"Neither registry nor journal knows version {version}. Versions there are: {there}.")
        chosen = tuple(known) if version is None else (version,)
        looks, remarks = list(self._shared()), list(self._remarks(chosen))
        for number in chosen:
            found, said = _VersionAudit(self, number).audit()
            looks += found
            remarks += said
        return Audit(chosen, tuple(looks), tuple(remarks))

    @cached_property
    def versions(self) -> Mapping[int, ModelVersion]:
        """The registry's, by number."""
        return {version.version: version for version in self.registrar.registry.versions()}

    @cached_property
    def journal(self) -> Reading:
        """As far as it can be read."""
        try:
            return read_journal(self.registrar.journal.path.read_bytes())
        except FileNotFoundError:
            return read_journal(b"")

    @property
    def entries(self) -> list[Entry]:
        """Every readable line on this model."""
        model = self.registrar.model
        return [entry for entry in self.journal.entries if entry.details.get("model", model) == model]

    def stated(self, version: int) -> Stated | None:
        """The last statement of a version; None where there is none that can be read."""
        for entry in reversed(stating(self.entries, version)):
            try:
                return read_stated(self.workspace.layout, self.keys, self.registrar.model, entry)
            except GanOpsError:
                continue
        return None

    # ------------------------------------------------------------ what all versions share

    def _shared(self) -> Iterator[Look]:
        chain = (Finding("journal", None, self.journal.broken),) if self.journal.broken else ()
        yield Look("journal", None, f"The journal's {self.journal.lines} lines follow from each other.", chain)
        yield Look(
            "clock", None, "No line is dated before the one before it.", tuple(clock_findings(self.journal.entries))
        )
        anchors = list(self._anchors())
        missed = (anchor_finding(where, count, digest, self.journal) for where, count, digest in anchors)
        cut = tuple(finding for finding in missed if finding is not None)
        yield Look("anchor", None, f"{len(anchors)} notes of where the journal ended are all in it.", cut)
        strays = tuple(self._unnamed_statements())
        yield Look("statement", None, "Every statement is named by a line of the journal.", strays)
        yield Look("registry", None, "Aliases and stages are as the journal has them.", tuple(self._standing()))
        yield Look("data", None, "Data, dvc.lock and *.dvc agree.", tuple(self._data()))
        yield Look("keys", None, "The public keys are those that were committed.", tuple(self._keys()))

    def _anchors(self) -> Iterator[tuple[str, int, str]]:
        """(where, count, digest) of each note that was taken of where the journal ended."""
        for where, text in self._anchor_texts():
            if match := _ANCHOR.search(text):
                yield where, int(match[1]), match[2]
        for path in sorted(self.workspace.layout.statements.glob(f"{self.registrar.model}/*/*.json")):
            if (facts := self._facts_in(path)) is not None:
                name = path.relative_to(self.workspace.root)
                yield f"The statement {name}", facts.journal.count, facts.journal.digest

    def _anchor_texts(self) -> Iterator[tuple[str, str]]:
        model, workspace = self.registrar.model, self.registrar.workspace
        yield "The registered model's tag", self.registrar.registry.model_tags().get(anchor_of(workspace), "")
        for number, version in sorted(self.versions.items()):
            if version.tags.get(DECIDED_BY) == workspace:
                yield f"The registry's tag on version {number}", version.tags.get(ANCHOR, "")
        for name, message in self.repository.tag_messages(f"ganops/{model}/*").items():
            yield f"The git tag {name}", message

    def _unnamed_statements(self) -> Iterator[Finding]:
        """The tail of a journal that was cut off leaves statements that no line names."""
        if self.journal.broken is not None:
            return
        named = {(entry.version, entry.details.get(NUMBER)) for entry in self.entries}
        for path in sorted(self.workspace.layout.statements.glob(f"{self.registrar.model}/*/*.json")):
            if path.stem.isdecimal() and (_number(path.parent.name), int(path.stem)) not in named:
                yield Finding(
                    "statement",
                    _number(path.parent.name),
                    f"The statement {path.relative_to(self.workspace.root)} is named by no line of the journal: its end "
                    "was cut off, or the statement was put there.",
                )

    def _facts_in(self, path: Path) -> Facts | None:
        from ganops.provenance.statement import facts_of

        try:
            return facts_of(self.keys.opened(path.read_bytes()).statement)
        except (GanOpsError, OSError):  # the version's own look says so
            return None

    def _standing(self) -> Iterator[Finding]:
        yield from self._unknown_versions()
        if self.journal.broken is not None:
            return
        for change in drift(self.registrar, tuple(self.versions.values())):
            yield Finding(
                "registry",
                None,
                f"By the journal the registry should have set {change}: it was changed by hand, or by something else "
                "that writes to the registry. `ganops doctor --repair` puts it back.",
            )
        challenger, told = standing_of(tuple(self.versions.values())).challenger, _challenger(self.entries)
        if challenger != told and not self._is_shared:
            named, by = (f"version {number}" if number is not None else "nothing" for number in (challenger, told))
            yield Finding("registry", None, f"The alias challenger names {named}, and by the journal it names {by}.")

    def _unknown_versions(self) -> Iterator[Finding]:
        """Versions that were deleted, or that came into the registry past GanOps."""
        told = {entry.version for entry in self.entries if entry.event == "registered"}
        for number in sorted(told - set(self.versions)):
            yield Finding("registry", number, f"Version {number} was registered, and the registry does not hold it.")
        if not self._is_shared:
            for number in sorted(set(self.versions) - told):
                yield Finding(
                    "registry", number, f"The registry holds version {number}, which the journal never registered."
                )

    @cached_property
    def _is_shared(self) -> bool:
        """Several workspaces register versions of this model, and each has its own journal."""
        return not self.registrar.registry.model_tags().get(LOCK, "file") == "file"

    def _data(self) -> Iterator[Finding]:
        for sentence in self.data.differences():
            yield Finding("data", None, sentence)
        pointers = [path.relative_to(self.workspace.root).as_posix() for path in self.workspace.layout.data.glob("*.dvc")]
        stated = [found.code.workspace_files for found in self._last_facts()]
        for name in ("dvc.lock", *sorted(pointers)):
            yield from self._as_committed(name, [files[name] for files in stated if name in files])

    def _last_facts(self) -> Iterator[Facts]:
        for number in sorted(self.versions, reverse=True)[:1]:
            if (found := self.stated(number)) is not None:
                yield found.facts

    def _as_committed(self, name: str, stated: Sequence[str]) -> Iterator[Finding]:
        committed = self.repository.committed(name)
        path = self.workspace.root / name
        if committed is None or not path.is_file():
            return
        content = path.read_bytes()
        if content != committed and content not in [text.encode() for text in stated]:
            yield Finding(
                "data",
                None,
                f"{name} is neither as it was committed nor as the newest statement has it: it was edited, or stages "
                "were run by hand since. `git diff` shows how.",
            )

    def _keys(self) -> Iterator[Finding]:
        folder = self.workspace.layout.public_keys
        for path in sorted(folder.glob("*.pub")):
            name = path.relative_to(self.workspace.root).as_posix()
            committed = self.repository.committed(name)
            if committed is not None and committed != path.read_bytes():
                yield Finding("keys", None, f"{name} is not the public key that was committed: it was exchanged.")

    def _remarks(self, chosen: Sequence[int]) -> Iterator[str]:
        if self.repository.state().commit is None:
            yield "The workspace is in no git repository: nothing there could be held against a commit or a tag."
        if self._is_shared:
            yield "Other workspaces promote versions of this model, too: what they did is in their journals."
        unsigned = [number for number in chosen if (found := self.stated(number)) is not None and found.key is None]
        if unsigned:
            yield (
                f"NOT SIGNED: version{'s' * (len(unsigned) > 1)} {', '.join(map(str, unsigned))}. Whoever can write to "
                "this workspace and its registry could have changed them unseen. `ganops keys init` makes a key for "
                "those to come."
            )


@final
@dataclass(frozen=True)
class _VersionAudit:
    """The looks at one version."""

    auditor: Auditor
    number: int

    def audit(self) -> tuple[list[Look], list[str]]:
        """(looks, remarks)"""
        looks = [Look("statement", self.number, "", tuple(self._statements()))]
        stated = self.auditor.stated(self.number)
        count = len(self._lines)
        if stated is None:
            looks[0] = self._look("statement", "", (*looks[0].findings, *self._unstated()))
            return looks, []
        looks[0] = self._look("statement", f"{count} statement{'s' * (count > 1)}, as the journal names them.", looks[0].findings)
        looks.append(self._look("keys", _signed(stated), tuple(self._signature(stated))))
        version = self.auditor.versions.get(self.number)
        if version is not None:
            files = f"{len(stated.facts.model.files)} files, those that were stated."
            looks += [
                self._look("files", files, tuple(self._files(version, stated))),
                self._look("registry", "Its tags are as journal and statement have them.", tuple(self._tags(version, stated.facts))),
                self._look("record", "MLflow's figures are those that were stated.", tuple(self._record(stated.facts))),
            ]
        edited, remarks = self._data(stated.facts)
        looks.append(self._look("data", "The images it was trained on are those that were stated.", tuple(edited)))
        looks.append(self._look("decision", self._decided(stated.facts), tuple(self._decisions(stated.facts))))
        return looks, remarks

    def _look(self, kind: Kind, sentence: str, findings: tuple[Finding, ...]) -> Look:
        return Look(kind, self.number, sentence, findings)

    def _found(self, kind: Kind, sentence: str) -> Finding:
        return Finding(kind, self.number, sentence)

    @cached_property
    def _lines(self) -> list[Entry]:
        return stating(self.auditor.entries, self.number)

    # ------------------------------------------------------------ statements and signatures

    def _statements(self) -> Iterator[Finding]:
        layout, keys, model = self.auditor.workspace.layout, self.auditor.keys, self.auditor.registrar.model
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
                    "does not fit, or that key is not among those in keys/.",
                )
            yield from self._copy(stated)

    def _copy(self, stated: Stated) -> Iterator[Finding]:
        """MLflow has a copy of each statement."""
        run = stated.facts.runs.mlflow_run
        kept = self.auditor.tracker.kept(run, f"{ARTIFACTS}/{stated.path.name}") if run is not None else None
        if kept is not None and kept != stated.path.read_bytes():
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
        name = path.relative_to(self.auditor.workspace.root)
        if not path.is_file():
            yield self._found("signature", f"{name}, the signature over the files of version {self.number}, is gone.")
        elif sha256_file(path) != signature:
            yield self._found("signature", f"{name} is not the signature that the journal names: it was exchanged.")

    @property
    def _signature_path(self) -> Path:
        folder = statements_folder(self.auditor.workspace.layout, self.auditor.registrar.model, self.number)
        return folder / MODEL_SIGNATURE

    # ------------------------------------------------------------ files, tags, figures

    def _files(self, version: ModelVersion, stated: Stated) -> Iterator[Finding]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                model = self.auditor.registrar.registry.download_model(version, Path(folder))
            except GanOpsError as error:
                yield self._found("files", f"The files of version {self.number} cannot be had: {error}")
                return
            for difference in differences(stated.facts.model.files, digests(model)):
                yield self._found("files", f"Of the files of version {self.number}, {difference}.")
            if stated.key is not None and self._signature_path.is_file():
                said = self.auditor.keys.folder_difference(model, self._signature_path, stated.key)
                if said is not None:
                    yield self._found(
                        "signature", f"The files of version {self.number} are not those that were signed: {said}."
                    )

    def _tags(self, version: ModelVersion, facts: Facts) -> Iterator[Finding]:
        metrics = facts.scores.report.get("metrics")
        fd = metrics.get("fd_star") if isinstance(metrics, dict) else None
        value = fd.get("value") if isinstance(fd, dict) else None
        stated = {
            "ganops.snapshot_sha256": facts.model.snapshot,
            "ganops.candidate": facts.model.candidate,
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
        if version.tags.get(DECIDED_BY) == self.auditor.registrar.workspace:
            yield from self._decision_tags(version)

    def _decision_tags(self, version: ModelVersion) -> Iterator[Finding]:
        event, reason = version.tags.get(DECISION, ""), version.tags.get(REASON, "")
        about = [
            entry
            for entry in self.auditor.entries
            if entry.event == event and self.number in (entry.version, entry.details.get("from"))
        ]
        if not about:
            yield self._found(
                "registry",
                f"The registry's tag {DECISION} of version {self.number} is {_shown(event)}, and the journal has no such "
                "line on it.",
            )
        elif reason not in [entry.reason[: len(reason)] for entry in about] or not reason:
            yield self._found(
                "registry",
                f"The registry's tag {REASON} of version {self.number} is not the reason in the journal: it was edited.",
            )

    def _record(self, facts: Facts) -> Iterator[Finding]:
        run, stated = facts.runs.mlflow_run, facts.scores.figures()
        if run is None:
            return
        try:
            record = self.auditor.tracker.read(run, tuple(stated))
        except GanOpsError as error:
            yield self._found("record", f"The MLflow run of version {self.number} cannot be read: {error}")
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
                    f"{', '.join(f'{item:.6g}' for item in odd) or 'missing'}, and its statement says {value:.6g}: it was "
                    "edited by hand.",
                )

    def _figures_of_today(self, facts: Facts) -> dict[str, float]:
        """A snapshot that was measured anew after it was registered has two figures, rightly."""
        path = self.auditor.workspace.layout.evaluate_dir(facts.model.candidate) / "report.json"
        try:
            report = read_json(path)
        except (GanOpsError, FileNotFoundError):
            return {}
        same = isinstance(report, dict) and report.get("snapshot_sha256") == facts.model.snapshot
        return facts.scores.replaced(report=report).figures() if same else {}

    # ------------------------------------------------------------ data and decision

    def _data(self, facts: Facts) -> tuple[list[Finding], list[str]]:
        """(findings, remarks)"""
        found = []
        if facts.code.commit is not None and self.auditor.repository.state().commit is not None:
            if not self.auditor.repository.holds(facts.code.commit):
                found.append(
                    self._found(
                        "data",
                        f"Version {self.number} was made at commit {facts.code.commit[:12]}, which the repository does not "
                        "hold: its history was rewritten, or is not here whole.",
                    )
                )
        damage = self.auditor.data.damage(facts.data.dvc_md5)
        found += [self._found("data", f"Of the images of version {self.number}, {said}") for said in damage.edited]
        if self._is_data_of_today(facts):
            now = digests(self.auditor.workspace.layout.raw)
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

    def _is_data_of_today(self, facts: Facts) -> bool:
        pointer = self.auditor.workspace.layout.raw.with_suffix(".dvc")
        return pointer.is_file() and facts.data.dvc_md5 in pointer.read_text(encoding="utf-8", errors="replace")

    def _decided(self, facts: Facts) -> str:
        if facts.decision is None:
            return "The gate was not asked yet."
        return "The gate says again what it said."

    def _decisions(self, facts: Facts) -> Iterator[Finding]:
        yield from self._promoted_rightly()
        if (decision := facts.decision) is None:
            return
        if (finding := decision_finding(self.number, decision)) is not None:
            yield finding
        evidence = {"comparison": dict(decision.comparison), "decision": dict(decision.decision)}
        folder = self.auditor.registrar.journal.folder
        for name, stated in {"decisions": evidence, "comparisons": evidence["comparison"]}.items():
            path = folder / name / f"{decision.pair}.json"
            try:
                stored = read_json(path)
            except (GanOpsError, FileNotFoundError):
                stored = None
            if stored is None or digest_json(stored) != digest_json(stated):
                yield self._found(
                    "decision",
                    f"{path.relative_to(self.auditor.workspace.root)}, the evidence that version {self.number} was decided "
                    f"on, {'is gone' if stored is None else 'was edited'}: the statement holds it as it was.",
                )
        told = {entry.details.get("evidence") for entry in self.auditor.entries if entry.details.get("pair") == decision.pair}
        if told - {None} and digest_json(evidence) not in told:
            yield self._found(
                "decision", f"The statement of version {self.number} holds other evidence than the journal names."
            )

    def _promoted_rightly(self) -> Iterator[Finding]:
        """No promotion without the gate's or a person's word."""
        for entry in self.auditor.entries:
            if entry.event == "promoted" and entry.version == self.number:
                if entry.details.get("gate", "promote") != "promote" and "approved" not in entry.details:
                    yield self._found(
                        "decision", f"Version {self.number} was promoted on {entry.time}, though the gate said no."
                    )


def _challenger(entries: Sequence[Entry]) -> int | None:
    """Who the alias challenger names by the journal."""
    challenger: int | None = None
    for entry in entries:
        if entry.event == "registered":
            challenger = entry.version
        elif entry.event == "rejected" and challenger == entry.version:
            challenger = None
        elif entry.event in ("promoted", "rolled-back", "undone") and "after" in entry.details:
            after = entry.details["after"]
            challenger = after.get("challenger") if isinstance(after, dict) else challenger
    return challenger


def _signed(stated: Stated) -> str:
    return f"Signed by {_key(stated.key)}." if stated.key else "It is not signed."


def _key(key: str | None) -> str:
    return f"key {key[:12]}" if key else "nobody"


def _shown(value: str | None) -> str:
    return "missing" if value is None else f"'{value[:80]}'"


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
