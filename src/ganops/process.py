"""What a stage's process owes to the run that started it, and how a run ends the processes it has started."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill this process when its parent dies, however that dies (Linux; elsewhere nothing).

    Otherwise a killed run would leave its stages at work, and DVC's lock held, for as long as they take.
    parent: its process id, if known: without it, a death before this call goes unnoticed.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid() if parent is None else parent
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be watched
        os.kill(os.getpid(), signal.SIGKILL)


def stop_as_by_ctrl_c() -> None:
    """From here on SIGTERM and SIGHUP do to this process what Ctrl-C does, whatever that is at the time.

    One that is ignored, as `nohup` has it, stays ignored. Main thread only.
    """
    for number in _STOPPING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


_STOPPING = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    for other in _STOPPING:  # a closing terminal sends several: the second must not cut the clearing up short
        if signal.getsignal(other) is _interrupt:
            signal.signal(other, signal.SIG_IGN)
    interrupt = signal.getsignal(signal.SIGINT)
    if not callable(interrupt):  # a shell ignores it for what it starts in the background
        interrupt = signal.default_int_handler
    interrupt(signal.SIGINT, frame)


def end_group(process: subprocess.Popen[str], seconds: float = 5.0) -> None:
    """End a process, started with a session of its own, and its group: asked first, killed `seconds` later."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=seconds)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
