"""Whether journal and registry tell the same story: each is written where the other can be lost or cut."""

from __future__ import annotations

from collections.abc import Sequence

from ganops.errors import DamagedFile
from ganops.ports import ModelVersion
from ganops.provenance.journal import Entry, Event, Journal
from ganops.stages.outcomes import outcome_for
from ganops.stages.tags import DECIDED_BY, DECISION


def require_agreement(
    journal: Journal, versions: Sequence[ModelVersion], model: str, registry: str, workspace: str | None = None
) -> None:
    """The registry holds what was registered and promoted last; the journal has a line for each decision in it.

    A run that was killed breaks neither: a line is written after the registry has changed, and a version is tagged
    with its decision after that. Versions that a person deleted are missed only while they are the last.

    registry: where it lies, for a person. workspace: the journal's; what others decided stands in theirs.

    Raises:
        DamagedFile: they disagree, or the journal itself is damaged; names both and says how to restore them.
    """
    entries = journal.of(model)
    lost = [entry for entry in _last(entries) if not _holds(versions, entry)]
    cut = [version for version in versions if _is_ours(version, workspace) and not _entered(entries, version)]
    if lost:
        raise DamagedFile(
            f"{journal.path} says that version {lost[0].version} of the model {model} was {lost[0].event} on "
            f"{lost[0].time}, but the registry in {registry} does not hold that version. Restore the registry from a "
            f"copy, or point MLFLOW_TRACKING_URI where it was; to begin anew without it, move {journal.folder} away. "
            "Nothing was changed."
        )
    if cut:
        raise DamagedFile(
            f"The registry in {registry} says that version {cut[0].version} of the model {model} was decided on "
            f"({cut[0].tags[DECISION]}), but {journal.path} has no such line: its end was cut off. Restore it "
            "with `git checkout journal`, or from a copy. Nothing was changed."
        )


def _last(entries: Sequence[Entry]) -> list[Entry]:
    """The last change of champion, and the last version."""
    kinds: tuple[tuple[Event, ...], ...] = (("promoted", "rolled-back"), ("registered",))
    return [found[-1] for events in kinds if (found := [entry for entry in entries if entry.event in events])]


def _holds(versions: Sequence[ModelVersion], entry: Entry) -> bool:
    """A registry that began anew counts from 1 again, so that a number alone says little."""
    return any(
        version.version == entry.version
        and entry.details.get("snapshot", version.snapshot_sha256) == version.snapshot_sha256
        for version in versions
    )


def _is_ours(version: ModelVersion, workspace: str | None) -> bool:
    """Whether this journal answers for the version's decision; those of before workspaces had ids name none."""
    return workspace is None or version.tags.get(DECIDED_BY, workspace) == workspace


def _entered(entries: Sequence[Entry], version: ModelVersion) -> bool:
    decision = version.tags.get(DECISION)
    return decision is None or any(outcome_for(entry, version.version) == decision for entry in entries)
