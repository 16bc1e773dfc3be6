"""Unit tests compute on tensors so small that threads only wait for each other."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    if "torch" not in sys.modules:  # whose import takes longer than all tests of a module that has no use for it
        yield
        return
    from ganops.evaluation.threads import one_thread

    with one_thread():
        yield
