"""One thread for all that is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes in one thread within the block.

    The order of sums, and so the last digits, depend on the number of threads: with one, a score is the
    same on machines that are loaded differently. And small networks lose: with a busy neighbour, two
    threads waited for each other so long that training the extractor took twenty times the time of one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def side_by_side(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """`work` of each item in order, as many at a time as torch has threads here, each in one thread.

    So the numbers are those of one thread, with any number of them, and nobody waits for a thread that a busy
    neighbour has put aside: with one, two threads within each operation had half the speed of one, these all of it.
    """
    workers = min(torch.get_num_threads(), len(items))
    with one_thread():
        if workers <= 1:
            yield from map(work, items)
            return
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(work, items)
