"""What all simulated contests of one calibration have in common: who is simulated, by which policy, on what machine."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children, get_context
from typing import TypeVar, final

from ganops.config import GateConfig
from ganops.evaluation.calibration import Contest, Pair, contests
from ganops.evaluation.comparison import Comparison, Contrast
from ganops.evaluation.population import Population
from ganops.evaluation.protocol import Protocol
from ganops.gate import decide
from ganops.process import die_with_parent
from ganops.progress import Progress

_CHUNK = 10
_Result = TypeVar("_Result")


@final
@dataclass(frozen=True, eq=False)
class Trial:
    """distance: the champion's true one, and where that number comes from. workers: None: in this process."""

    population: Population
    policy: GateConfig
    protocol: Protocol
    num_images: int
    num_reference: int
    distance: float
    distance_from: str
    seed: int
    workers: Executor | None

    @property
    def least(self) -> int:
        """Images that a covariance of half of them needs."""
        return 2 * self.population.dimensions + 2

    def promotes(self, contest: Contest) -> bool:
        """The gate's verdict on the distance, as on a reference's first challenger, no guard asked."""
        return self._decided(contest.star)

    def plain_promotes(self, contest: Contest) -> bool:
        """The same test on the plain distance."""
        return self._decided(contest.plain)

    def contests(
        self,
        pairs: Sequence[Pair],
        repeats: range,
        told: Progress,
        counts: tuple[int, int] | None = None,
        stream: int = 0,
    ) -> list[list[Contest]]:
        """Of each pair, a contest for each of `repeats`, in no order.

        counts: images of either generator and of the reference, else this trial's. stream: draws of another are
        independent of these.
        """
        num_images, num_reference = counts or (self.num_images, self.num_reference)
        seed = self.seed + (stream << 32)
        work = [
            partial(_chunk, self.population, pairs, num_images, num_reference, seed, part) for part in _parts(repeats)
        ]
        found: list[list[Contest]] = [[] for _ in pairs]
        for rows in self.side_by_side(work):
            for row in rows:
                for of_pair, contest in zip(found, row, strict=True):
                    of_pair.append(contest)
            told(len(found[0]), len(repeats), "")
        return found

    def side_by_side(self, work: Sequence[Callable[[], _Result]]) -> Iterator[_Result]:
        """Results as they come, in no order."""
        if self.workers is None:
            yield from (each() for each in work)
        else:
            with _interrupted_later():  # the first one starts the processes, which have to be told how to end
                futures = [self.workers.submit(each) for each in work]
            yield from (future.result() for future in as_completed(futures))

    def _decided(self, contrast: Contrast) -> bool:
        comparison = Comparison("challenger", "champion", self.protocol, {"fd_star": contrast})
        return decide(comparison, _without_guards(self.policy), 1).promote


@contextmanager
def working(processes: int) -> Iterator[Executor | None]:
    """So many processes of one thread each; None for one, which is this one."""
    if processes == 1:
        yield None
        return
    # spawned: forked, a process would share torch's threads in a state that nobody knows
    before = set(active_children())
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield pool
    except BaseException:  # most of all Ctrl-C, after which nobody waits for what is being simulated
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Ctrl-C has to wait until the block is done; processes that it starts are born deaf to it.

    A pool whose processes die while it is given work can fail in a thread of its own.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """What a process of the pool begins with: it ends with its parent, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()


def _parts(repeats: range) -> list[range]:
    return [repeats[start : start + _CHUNK] for start in range(0, len(repeats), _CHUNK)]


def _chunk(
    population: Population, pairs: Sequence[Pair], num_images: int, num_reference: int, seed: int, repeats: range
) -> list[tuple[Contest, ...]]:
    return [contests(population, pairs, num_images, num_reference, seed, repeat) for repeat in repeats]


def _without_guards(policy: GateConfig) -> GateConfig:
    off = {name: guard.model_copy(update={"enabled": False}) for name, guard in policy.guards}
    return policy.model_copy(update={"guards": policy.guards.model_copy(update=off)})
