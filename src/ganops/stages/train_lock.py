"""One training of a candidate at a time: two would write the same statistics, samples and checkpoints."""

from __future__ import annotations

import fcntl
import os
from contextlib import AbstractContextManager

from ganops.layout import Layout
from ganops.locks import held


def only_training(layout: Layout, candidate: str) -> AbstractContextManager[None]:
    """Hold the candidate; a process that is killed lets go of it.

    Raises:
        WorkspaceBusy: another process trains it.
        WorkspaceError: the lock cannot be opened.
    """

    def busy(holder: str) -> str:
        return (
            f"Candidate '{candidate}' is already being trained ({holder}). Wait until that has ended, or stop it; "
            "nothing was changed."
        )

    return held(layout.state / "training" / f"{candidate}.lock", fcntl.LOCK_EX, f"process {os.getpid()}", busy)
