"""The MLflow run that holds those of a flow run's candidates."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, final

from ganops.ports import Tracker


@final
@dataclass
class ParentRun:
    """The run that one flow run's candidates lie under; begun by the first of them."""

    tracker: Tracker
    name: str
    tags: Mapping[str, str]
    run: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begun(self) -> str:
        """Its id; two candidates that begin at once get the same."""
        with self._lock:
            if self.run is None:
                self.run = self.tracker.start(self.name, None, {}, self.tags)
            return self.run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.run is not None:
            self.tracker.end(self.run, succeeded=kind is None)
