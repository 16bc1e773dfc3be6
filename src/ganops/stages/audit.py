"""audit: everything that is stated of versions, held against everything that is there. Reads only.

An auditor asks, in this order: is the history whole, does the registry say what the history says, is the data what it
was, and of each version: is it stated and signed, are these its files, are these its figures, and does the gate still
say what it said. Each look yields findings, or a sentence on what was found in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ganops.errors import UnknownName
from ganops.provenance.verification import Audit
from ganops.stages.audit_version import VersionAudit
from ganops.stages.audit_workspace import WorkspaceAudit
from ganops.stages.sources import Sources

_RESTORE = (
    "The journal comes first: it is not the one that was written. Restore it with `git checkout journal`, or from a "
    "copy, and verify again. Until then the registry cannot be held against it, and nothing should be put right by it."
)


def audit(sources: Sources, version: int | None) -> Audit:
    """Look at everything that all versions share, and at one version, or at each.

    Raises:
        UnknownName: neither registry nor journal knows that version. A registry that cannot be read is a finding.
    """
    known = sorted({*sources.versions, *(entry.version for entry in sources.entries if entry.event == "registered")})
    if version is not None and version not in known:
        there = ", ".join(map(str, known)) or "none"
        raise UnknownName(f"Neither registry nor journal knows version {version}. Versions there are: {there}.")
    chosen = tuple(known) if version is None else (version,)
    looks, remarks = list(WorkspaceAudit(sources, chosen).looks()), list(_remarks(sources, chosen))
    whole = not any(look.findings for look in looks if look.kind in ("journal", "anchor"))
    if not whole:
        remarks.insert(0, _RESTORE)
    for number in chosen:
        found, said = VersionAudit(sources, number, whole).looks()
        looks += found
        remarks += said
    return Audit(chosen, tuple(looks), tuple(remarks))


def _remarks(sources: Sources, chosen: Sequence[int]) -> Iterator[str]:
    if sources.repository.fault() is None and not sources.in_git:
        yield "The workspace is in no git repository: nothing there could be held against a commit or a tag."
    others = {str(entry.details["model"]) for entry in sources.journal.entries if "model" in entry.details}
    if others := others - {sources.model}:
        yield (
            f"The journal holds lines on {', '.join(sorted(others))}, too, which were not looked at: that takes "
            "another model.name in params.yaml."
        )
    if sources.is_shared:
        yield "Other workspaces promote versions of this model, too: what they did is in their journals."
    unsigned = [number for number in chosen if (found := sources.stated(number)) is not None and found.key is None]
    if unsigned:
        yield (
            f"NOT SIGNED: version{'s' * (len(unsigned) > 1)} {', '.join(map(str, unsigned))}. Whoever can write to "
            "this workspace and its registry could have changed them unseen. `ganops keys init` makes a key for "
            "those to come."
        )
