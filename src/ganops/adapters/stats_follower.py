"""Follows the `stats.jsonl` that a running stage writes, so that the stage itself need know nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from ganops.errors import GanOpsError

_POLL_SECONDS = 0.5


@final
class StatsFollower:
    """Hands every new line of a file to `on_stats`, from `begin()` to the end of the `with` block.

    What `on_stats` raises is raised at the end of the block: a record that fails must not stop training.
    """

    def __init__(self, path: Path, on_stats: Callable[[dict[str, Any]], None]) -> None:
        self._path, self._on_stats = path, on_stats
        self._begun, self._ended = threading.Event(), threading.Event()
        self._position = 0
        self._failure: GanOpsError | None = None
        self._thread = threading.Thread(target=self._follow, name=f"follow {path.name}", daemon=True)

    def begin(self) -> None:
        """From now on the file is this run's: the old one is gone."""
        self._begun.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._begun.is_set() and kind is None:
            self._read()
            if self._failure:
                raise self._failure

    def _follow(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            if self._begun.is_set():
                self._read()

    def _read(self) -> None:
        if not self._path.exists() or self._failure:
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # half a line: the rest comes with the next look
                self._position += len(line)
                try:
                    self._on_stats(json.loads(line))
                except GanOpsError as failure:
                    self._failure = failure
                    return
