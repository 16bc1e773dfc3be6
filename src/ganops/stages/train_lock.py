"""One training of a candidate at a time: two would write the same statistics, samples and checkpoints."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ganops.errors import WorkspaceBusy, WorkspaceError
from ganops.layout import Layout


@contextmanager
def only_training(layout: Layout, candidate: str) -> Iterator[None]:
    """Hold the candidate; a process that is killed lets go of it.

    Raises:
        WorkspaceBusy: another process trains it.
        WorkspaceError: the lock cannot be opened.
    """
    path = layout.state / "training" / f"{candidate}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise WorkspaceError(
            f"The lock {path} cannot be opened: {error.strerror}. Change its permissions, or delete it if nothing "
            "trains here."
        ) from None
    try:
        _lock(handle, candidate)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, candidate: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = os.pread(handle, 20, 0).decode(errors="replace") or "unknown"
        raise WorkspaceBusy(
            f"Candidate '{candidate}' is already being trained (process {process}). Wait until that has ended, or "
            "stop it; nothing was changed."
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
