"""What several verbs tell a person, and how far they are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganops.errors import UserError
from ganops.progress import Progress
from ganops.provenance.journal import Entry
from ganops.reports.terminal import Steps, errors_console


@contextmanager
def bar(step: str) -> Iterator[Progress]:
    """A bar for a person, lines that the flow understands inside the pipeline."""
    if "GANOPS_IN_PIPELINE" in os.environ:
        yield _report_line
        return
    steps = Steps(errors_console())
    with steps.showing():
        yield lambda done, total, note: steps.observe(step, done, total, note)


_last_line = 0.0


def _report_line(done: int, total: int, note: str) -> None:
    """`progress DONE TOTAL NOTE`, at most twice a second; a stage whose flow was killed ends at its next line."""
    global _last_line
    import time

    if (now := time.monotonic()) - _last_line >= 0.5 or done >= total > 0:
        _last_line = now
        print(f"progress {done} {total} {note}", flush=True)


@contextmanager
def writing(path: Path, option: str = "-o") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}. Choose another file with {option}."
        ) from None


def counted(counts: Mapping[Any, int]) -> str:
    shown = [f"{name} {number}" for name, number in list(counts.items())[:12]]
    return ", ".join(shown) + (f", … ({len(counts)} in all)" if len(counts) > 12 else "")


def shown_event(entry: Entry) -> dict[str, Any]:
    return {
        "time": entry.time,
        "actor": entry.details.get("by") or entry.actor or None,
        "model": entry.details.get("model"),
        "event": entry.event,
        "version": entry.version,
        "from": entry.from_version,
        "to": entry.to_version,
        "reason": entry.reason,
        "evidence": entry.evidence,
    }
