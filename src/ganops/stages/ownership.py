"""Whose a registered model is: one workspace's alone, or several workspaces' that promote under one lock."""

from __future__ import annotations

from collections.abc import Mapping

from ganops.errors import DamagedFile, UserError
from ganops.provenance.journal import Journal
from ganops.stages.tags import LOCK, OWNER, anchor_of

FILE = "file"
"""The identity of a lock that only one workspace can take."""


def require_allowed(model: str, tags: Mapping[str, str], workspace: str, lock: str) -> None:
    """Whether this workspace may change the registered model `model` while it holds `lock`.

    Raises:
        UserError: another workspace owns it and this one holds no lock that both can take; or others take another one.
    """
    owner, shared = tags.get(OWNER, workspace), tags.get(LOCK, FILE)
    if owner == workspace:
        if shared not in (FILE, lock):
            raise UserError(
                f"The model {model} is promoted under {_told(shared)}, and promotion.lock of this workspace is "
                f"{_told(lock)}: two could promote at once. Put that DSN into params.yaml; or, if no other workspace "
                "promotes any more, make this lock the model's with `ganops doctor --adopt`. Nothing was changed."
            )
    elif lock == FILE:
        raise UserError(
            f"The model {model} belongs to another workspace ({owner}), and a lock in a file does not hold that one "
            "off. Set promotion.lock in params.yaml of both to one PostgreSQL DSN; or choose another model.name; or, "
            "if that workspace is gone for good, take the model over with `ganops doctor --adopt`. Nothing was changed."
        )
    elif shared != lock:
        raise UserError(
            f"The model {model} belongs to another workspace ({owner}), which promotes under {_told(shared)}, and "
            f"promotion.lock of this workspace is {_told(lock)}: two could promote at once. Set the same DSN in both, "
            "and promote once from that workspace, so that it is known. Nothing was changed."
        )


def require_anchored(journal: Journal, tags: Mapping[str, str], workspace: str) -> None:
    """The journal is the one that the registry was told of, and is not shorter.

    Raises:
        DamagedFile: its end was cut off, or it is another journal.
    """
    if (anchor := tags.get(anchor_of(workspace))) is None:
        return
    count, _, digest = anchor.partition(":")
    entries = journal.entries()
    if not count.isdecimal() or not 0 < int(count) <= len(entries) or entries[int(count) - 1].digest != digest:
        raise DamagedFile(
            f"The registry was told of {count} lines of {journal.path}, the last with digest {digest[:12]}, but the "
            f"journal has {len(entries)} and no such one in that place: its end was cut off, or this is a copy of a "
            "workspace that has gone on elsewhere. Restore it with `git checkout journal`, or from a copy (of a copied "
            "workspace, delete .ganops/workspace-id); if those lines are lost for good, `ganops doctor --adopt` goes "
            "on with the journal as it is, and writes that down. Nothing was changed."
        )


def _told(lock: str) -> str:
    return "a lock in a file" if lock == FILE else f"the PostgreSQL lock {lock.removeprefix('postgresql:')}"
