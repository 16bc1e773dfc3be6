"""Files that one process holds, or several that share them; the system lets go of what a killed process held."""

from __future__ import annotations

import fcntl
import os
import random
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ganops.errors import LockTimeout, WorkspaceBusy, WorkspaceError, unwritable


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[int]:
    """A lock file, made where there is none and held as `flock` is told; yields its descriptor.

    Raises:
        WorkspaceError: the file cannot be opened, or is no regular one.
        BlockingIOError: `how` holds `LOCK_NB`, and another process holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise unwritable(
            error,
            f"The lock {path} cannot be opened: {error.strerror}. Change its permissions, or delete it if nothing runs "
            "here.",
        ) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise WorkspaceError(f"The lock {path} is no regular file. Delete it, or move it away.")
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
        if other := _taken(stack, path, how, holder):
            raise WorkspaceBusy(busy(other))
        yield


@final
@dataclass(frozen=True)
class FileHold:
    """A promotion lock that is a file of the workspace: the system keeps it for as long as this process lives."""

    identity: str = "file"

    def require(self) -> None:
        """A lock on an open file is not lost."""


@contextmanager
def waited(path: Path, holder: str, seconds: float, say: Callable[[str], None]) -> Iterator[FileHold]:
    """Hold the lock at `path`, waiting for whoever has it for so many seconds at most.

    holder: who this is, for those that wait meanwhile. say: told once whom this waits for.

    Raises:
        LockTimeout: it was not free in time.
        WorkspaceError: the file cannot be opened.
    """
    with ExitStack() as stack:
        wait_while(lambda: _taken(stack, path, fcntl.LOCK_EX, holder), seconds, say, pauses=(0.02, 0.2))
        yield FileHold()


def wait_while(
    taken: Callable[[], str | None], seconds: float, say: Callable[[str], None], pauses: tuple[float, float]
) -> None:
    """Ask for the promotion lock again and again, for so many seconds at most.

    taken: one attempt; who holds the lock, or None once it is ours. say: told once whom this waits for. pauses: the
    shortest and the longest between two attempts, in seconds.

    Raises:
        LockTimeout: it was not free in time.
    """
    end, told = time.monotonic() + seconds, False
    while (other := taken()) is not None:
        if time.monotonic() >= end:
            raise LockTimeout(
                f"The promotion lock was not free within {seconds:g} seconds (promotion.timeout_seconds; `ganops "
                f"doctor`, where it only looks, waits for one at most): {other} holds it. Try again when that has "
                "ended, or stop it: the lock of a process that ends is free at once. Nothing was changed."
            )
        if not told:
            say(f"waiting for the promotion lock, which {other} holds")
            told = True
        time.sleep(random.uniform(*pauses))  # so that many do not ask in step


def _taken(stack: ExitStack, path: Path, how: int, holder: str) -> str | None:
    """Hold the lock at `path` until `stack` ends, and write there who does; who has it, where somebody else does."""
    try:
        handle = stack.enter_context(locked(path, how | fcntl.LOCK_NB))
    except BlockingIOError:
        return path.read_bytes()[:200].decode(errors="replace").strip() or "another process"
    os.ftruncate(handle, 0)
    os.pwrite(handle, holder.encode(), 0)
    return None
