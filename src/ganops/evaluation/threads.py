"""One thread for all that is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
