"""The looks at what all versions share: the history, the registry, the data, the keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ganops.files import read_plain
from ganops.provenance.facts import Facts
from ganops.provenance.journal import Entry
from ganops.provenance.verification import Finding, Kind, Look, anchor_finding, clock_findings
from ganops.stages.audit_git import GitAudit
from ganops.stages.audit_history import HistoryAudit
from ganops.stages.audit_signing import SigningAudit
from ganops.stages.drift import drift
from ganops.stages.sources import Sources
from ganops.stages.standing import standing_of
from ganops.stages.statements import NUMBER
from ganops.stages.tags import ANCHOR, DECIDED_BY, OWNER, anchor_of

_ANCHOR = re.compile(r"\b(\d{1,9}):([0-9a-f]{64})\b")
"""COUNT:DIGEST, wherever it was noted."""


@final
@dataclass(frozen=True)
class WorkspaceAudit:
    """The looks at a workspace. versions: those that are audited, whose statements note where the journal ended."""

    sources: Sources
    versions: Sequence[int]

    def looks(self) -> Iterator[Look]:
        """One after the other, in the order in which an auditor asks."""
        chain = (Finding("journal", None, self.sources.journal.broken),) if self.sources.journal.broken else ()
        yield Look("data", None, "Data, keys, journal and statements are no links.", tuple(self._links()))
        yield Look("journal", None, f"The journal's {self.sources.journal.lines} lines follow from each other.", chain)
        yield Look(
            "clock",
            None,
            "No line is dated before the one before it.",
            tuple(clock_findings(self.sources.journal.entries)),
        )
        anchors = list(self._anchors())
        missed = (anchor_finding(where, count, digest, self.sources.journal) for where, count, digest in anchors)
        git = GitAudit(self.sources)
        cut = (*(finding for finding in missed if finding is not None), *git.committed())
        yield Look("anchor", None, f"{len(anchors)} notes of where the journal ended are all in it.", cut)
        if not (chain or cut):
            if self.sources.registry_fault is None:
                yield HistoryAudit(self.sources).look()
            yield git.look()
        strays = tuple(self._unnamed_statements())
        yield Look("statement", None, "Every statement is named by a line of the journal.", strays)
        yield self._registry(whole=not (chain or cut))
        yield Look("data", None, "Data, dvc.lock and *.dvc agree.", tuple(self._data()))
        yield from SigningAudit(self.sources, self.versions).looks()
        yield Look("keys", None, "The public keys are those that were committed.", tuple(self._keys()))

    def _anchors(self) -> Iterator[tuple[str, int, str]]:
        """(where, count, digest) of each note that was taken of where the journal ended."""
        for where, text in self._anchor_texts():
            if match := _ANCHOR.search(text):
                yield where, int(match[1]), match[2]
        for number in sorted({*self.versions, *sorted(self.sources.versions)[-1:]}):
            for stated in self.sources.statements(number):
                end, name = stated.facts.journal, stated.path.relative_to(self.sources.workspace.root)
                yield f"The statement {name}", end.count, end.digest

    def _anchor_texts(self) -> Iterator[tuple[str, str]]:
        workspace = self.sources.registrar.workspace
        yield "The registered model's tag", self.sources.model_tags.get(anchor_of(workspace), "")
        for number, version in sorted(self.sources.versions.items()):
            if version.tags.get(DECIDED_BY) == workspace:
                yield f"The registry's tag on version {number}", version.tags.get(ANCHOR, "")
        for name, message in self.sources.git_tags.items():
            yield f"The git tag {name}", message

    def _unnamed_statements(self) -> Iterator[Finding]:
        """The tail of a journal that was cut off leaves statements that no line names."""
        if self.sources.journal.broken is not None:
            return
        named = {(entry.version, entry.details.get(NUMBER)) for entry in self.sources.entries}
        for path in sorted(self.sources.workspace.layout.statements.glob(f"{self.sources.model}/*/*.json")):
            if path.stem.isdecimal() and (_number(path.parent.name), int(path.stem)) not in named:
                yield Finding(
                    "statement",
                    _number(path.parent.name),
                    f"The statement {path.relative_to(self.sources.workspace.root)} is named by no line of the "
                    "journal: the journal's end was cut off, or the statement was put there. (A command that was "
                    "killed leaves one, too, and the same command given again names it.)",
                )

    def _registry(self, whole: bool) -> Look:
        """Nothing is held against a journal that lacks lines: the registry may be right, and the journal wrong."""
        if (fault := self.sources.registry_fault) is not None:
            found = (
                Finding("registry", None, f"The registry cannot be read, and no version in it was looked at. {fault}"),
            )
            return Look("registry", None, "", found)
        if not whole:
            return Look("registry", None, "Not looked at: there is no whole journal to hold it against.", (), False)
        return Look("registry", None, "Aliases and stages are as the journal has them.", tuple(self._standing()))

    def _standing(self) -> Iterator[Finding]:
        yield from self._unknown_versions()
        for change in drift(self.sources.registrar, tuple(self.sources.versions.values())):
            yield Finding(
                "registry",
                None,
                f"By the journal the registry should have set {change}: it was changed by hand, or by something else "
                "that writes to the registry. `ganops doctor --repair` puts it back.",
            )
        yield from self._owner()
        challenger, told = (
            standing_of(tuple(self.sources.versions.values())).challenger,
            _challenger(self.sources.entries),
        )
        if challenger != told and not self.sources.is_shared:
            named, by = (f"version {number}" if number is not None else "nothing" for number in (challenger, told))
            yield Finding("registry", None, f"The alias challenger names {named}, and by the journal it names {by}.")

    def _owner(self) -> Iterator[Finding]:
        owner = self.sources.model_tags.get(OWNER)
        changed = any(entry.event in ("promoted", "rolled-back") for entry in self.sources.entries)
        if self.sources.is_shared or not changed or owner in self.sources.workspaces:
            return
        said = "is gone" if owner is None else f"names the workspace {owner[:80]}, which the journal does not know"
        yield Finding(
            "registry",
            None,
            f"The registered model's tag {OWNER} {said}: it was edited, or another workspace adopted it.",
        )

    def _unknown_versions(self) -> Iterator[Finding]:
        """Versions that were deleted, or that came into the registry past GanOps."""
        told = {entry.version for entry in self.sources.entries if entry.event == "registered"}
        for number in sorted(told - set(self.sources.versions)):
            yield Finding("registry", number, f"Version {number} was registered, and the registry does not hold it.")
        if not self.sources.is_shared:
            for number in sorted(set(self.sources.versions) - told):
                yield Finding(
                    "registry", number, f"The registry holds version {number}, which the journal never registered."
                )

    def _data(self) -> Iterator[Finding]:
        for sentence in self.sources.data.differences():
            yield Finding("data", None, sentence)
        root = self.sources.workspace.root
        pointers = [path.relative_to(root).as_posix() for path in root.glob("data/*.dvc")]
        stated = [found.code.workspace_files for found in self._last_facts()]
        named = {name for files in stated for name in files if name.endswith(".dvc")}
        for name in ("dvc.lock", *sorted({*pointers, *named, "data/raw.dvc"})):
            yield from self._as_committed(name, [files[name] for files in stated if name in files])

    def _last_facts(self) -> Iterator[Facts]:
        for number in sorted(self.sources.versions, reverse=True)[:1]:
            if (found := self.sources.stated(number)) is not None:
                yield found.facts

    def _as_committed(self, name: str, stated: Sequence[str]) -> Iterator[Finding]:
        committed = self.sources.repository.committed(name)
        path = self.sources.workspace.root / name
        if committed is None and not stated:
            return
        try:
            content = read_plain(path)
        except OSError as error:
            gone = "is gone" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            how = f"was {'committed' if committed is not None else 'stated'}, and {gone}"
            yield Finding("data", None, f"{name} {how}: `git checkout {name}` restores it.")
            return
        if committed is None:
            return
        if content != committed and content not in [text.encode() for text in stated]:
            yield Finding(
                "data",
                None,
                f"{name} is neither as it was committed nor as the newest statement has it: it was edited, or stages "
                "were run by hand since. `git diff` shows how.",
            )

    def _links(self) -> Iterator[Finding]:
        """What lies behind a link is changed without a trace in git or DVC. Single images may be DVC's own links."""
        layout = self.sources.workspace.layout
        places: Mapping[Kind, Sequence[Path]] = {
            "data": (layout.data, layout.raw, layout.root / "dvc.lock", *sorted(layout.data.glob("*.dvc"))),
            "keys": (layout.public_keys, *sorted(layout.public_keys.glob("*.pub"))),
            "journal": (layout.journal, self.sources.registrar.journal.path),
            "statement": (layout.statements, *sorted(layout.statements.rglob("*"))),
        }
        for kind, paths in places.items():
            for path in paths:
                if path.is_symlink():
                    name, target = path.relative_to(layout.root).as_posix(), path.readlink()
                    yield Finding(kind, None, f"{name} is a link to {target}, and no file or folder of the workspace.")

    def _keys(self) -> Iterator[Finding]:
        folder = self.sources.workspace.layout.public_keys
        for path in sorted(folder.glob("*.pub")):
            name = path.relative_to(self.sources.workspace.root).as_posix()
            committed = self.sources.repository.committed(name)
            try:
                content = read_plain(path)
            except OSError as error:
                yield Finding("keys", None, f"{name} cannot be read as a public key ({error.strerror}).")
                continue
            if committed is not None and committed != content:
                yield Finding("keys", None, f"{name} is not the public key that was committed: it was exchanged.")
            elif committed is None and self.sources.in_git:
                yield Finding(
                    "keys",
                    None,
                    f"{name} is a public key that was never committed: whoever put it there can sign anything. Delete "
                    "it; or commit it, if it is yours.",
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


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
