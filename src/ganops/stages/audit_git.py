"""The looks at what git keeps of the journal: the committed file, and a tag for each change of champion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from ganops.errors import GanOpsError
from ganops.plain_yaml import load
from ganops.provenance.facts import Facts
from ganops.provenance.journal import Entry
from ganops.provenance.verification import Finding, Look
from ganops.stages.sources import Sources
from ganops.stages.tags import mark_of


@final
@dataclass(frozen=True)
class GitAudit:
    """Of a workspace that lies in a git repository."""

    sources: Sources

    def committed(self) -> Iterator[Finding]:
        """The journal only grows: what was committed is how it begins."""
        path = self.sources.registrar.journal.path
        name = path.relative_to(self.sources.workspace.root).as_posix()
        committed = self.sources.repository.committed(name)
        if self.sources.journal.broken is not None or committed is None:  # a broken one is found already
            return
        if not (path.read_bytes() if path.is_file() else b"").startswith(committed):
            yield Finding(
                "anchor",
                None,
                f"{name} does not begin with what was committed of it: it was cut or written anew.",
            )

    def look(self) -> Look:
        """Of a journal whose chain is whole."""
        fault = self.sources.repository.fault()
        found = (Finding("history", None, fault),) if fault is not None else tuple(self._tags())
        return Look(
            "history",
            None,
            "Git has a tag for each change of champion.",
            found,
            applies=self.sources.in_git or bool(found),
        )

    def _tags(self) -> Iterator[Finding]:
        model, tags = self.sources.model, self.sources.git_tags
        for number, entry in enumerate(self.sources.journal.entries, start=1):
            if not (self._is_ours(entry) and entry.event in ("promoted", "rolled-back")):
                continue
            name = mark_of(model, entry, number)
            if name in tags and f"{number}:{entry.digest}" not in tags[name]:
                yield _found(
                    f"The git tag {name} does not note line {number} of the journal: it was moved or made anew."
                )
            elif name not in tags and self._is_tagged(entry):
                yield _found(
                    f"The git tag {name}, which notes line {number} of the journal, is not there: it was deleted; or "
                    "git refused to make it, which was said then."
                )

    def _is_ours(self, entry: Entry) -> bool:
        model, workspace = self.sources.model, self.sources.registrar.workspace
        names = (entry.details.get("model", model), entry.details.get("workspace", workspace))
        return names == (model, workspace)

    def _is_tagged(self, entry: Entry) -> bool:
        """Whether the workspace kept its history in git, now and when the version was stated."""
        stated = self.sources.stated(entry.version)
        keeps = self.sources.workspace.config.git.commit and self.sources.in_git
        return bool(keeps and stated is not None and _kept_in_git(stated.facts))


def _kept_in_git(facts: Facts) -> bool:
    try:
        settings = load(facts.code.workspace_files.get("params.yaml", ""))
    except (GanOpsError, ValueError):
        return False
    git = settings.get("git") if isinstance(settings, dict) else None
    return facts.code.commit is not None and not (isinstance(git, dict) and git.get("commit") is False)


def _found(sentence: str) -> Finding:
    return Finding("history", None, sentence)
