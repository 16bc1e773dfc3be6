"""Files that one process holds, or several that share them; the system lets go of what a killed process held."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ganops.errors import WorkspaceBusy, WorkspaceError


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[int]:
    """A lock file, made where there is none and held as `flock` is told; yields its descriptor.

    Raises:
        WorkspaceError: the file cannot be opened.
        BlockingIOError: `how` holds `LOCK_NB`, and another process holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise WorkspaceError(
            f"The lock {path} cannot be opened: {error.strerror}. Change its permissions, or delete it if nothing runs "
            "here."
        ) from None
    try:
        fcntl.flock(handle, how)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def held(path: Path, how: int, holder: str, busy: Callable[[str], str]) -> Iterator[None]:
    """Hold the lock at `path` without waiting for it, and write there who does.

    busy: what to say to a user while somebody else holds it, given who that is.

    Raises:
        WorkspaceBusy: another process holds it.
        WorkspaceError: the file cannot be opened.
    """
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(locked(path, how | fcntl.LOCK_NB))
        except BlockingIOError:
            there = path.read_bytes()[:200].decode(errors="replace").strip() or "another process"
            raise WorkspaceBusy(busy(there)) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, holder.encode(), 0)
        yield
