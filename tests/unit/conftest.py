"""Unit tests compute on tensors so small that threads only wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganops.evaluation.threads import one_thread


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield
