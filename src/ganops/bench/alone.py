"""References in a process of their own, with the system's allocator: as people run them.

`keep_pages` holds for a whole process, so a reference beside the engine has it as well, and is faster than it is at
home. Here it trains at home, a batch each time that it is asked.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import final

import torch

from ganops.bench.contestants import Contest, PaperStep, PlainLoop
from ganops.errors import GanOpsError

Reference = type[PlainLoop] | type[PaperStep]
Step = Callable[[], None]

_PATIENCE_S = 120.0


@final
class Home:
    """A process that trains one reference after another."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def starts(self, reference: Reference, contest: Contest) -> Step:
        """Make `reference`, in place of the one before; returns what trains it on one batch, and waits for it.

        Raises:
            GanOpsError: now or in a step: the process died, or did not answer for two minutes.
        """
        self._ask((reference, contest, torch.get_num_threads()))
        return lambda: self._ask(None)

    def _ask(self, what: tuple[Reference, Contest, int] | None) -> None:
        try:
            self._pipe.send(what)
            if self._pipe.poll(_PATIENCE_S):
                self._pipe.recv()
                return
        except (EOFError, OSError):
            pass
        raise GanOpsError("The process that trains the reference on its own died or hangs, so nothing can be timed.")


@contextmanager
def home() -> Iterator[Home]:
    """A new process, which ends with the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Home(ours)
    finally:
        ours.close()
        process.kill()
        process.join()


def _serve(pipe: Connection) -> None:
    contestant: PlainLoop | PaperStep | None = None
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        if asked is not None:
            reference, contest, threads = asked
            torch.set_num_threads(threads)
            contestant = reference(contest)
        else:
            assert contestant is not None, "a step before a start"
            contestant.step()
        pipe.send(None)
