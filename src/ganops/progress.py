"""How long work tells how far it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, note)`; `total` is 0 while it is unknown."""


def silent(done: int, total: int, note: str) -> None:
    """Nobody listens."""
