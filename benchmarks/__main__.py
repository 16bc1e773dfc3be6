"""`python -m benchmarks [--json]`: measures in new workspaces, through the command line, and prints a table.

GANOPS_SHARED=DIR adds Fashion-MNIST from DIR/data/fashion-mnist; without it that row is "not measured".
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import audit
from ganops import workspace
from ganops.commands.new import DEMO_PARAMS
from ganops.layout import Layout

GANOPS = Path(sys.executable).parent / "ganops"
TARGET_SECONDS = {
    "second run, nothing changed": 15.0,
    "demo without training": 60.0,
    "audit verify, a version of 100 MB": 3.0,
    "audit verify, a journal of 10,000 lines": 5.0,
    "Fashion-MNIST to prepared": 60.0,
}
TARGET_MB = {"Fashion-MNIST to prepared": 1500.0}


@dataclass(frozen=True)
class Row:
    """One measurement. seconds is None where it was not measured, and note says why."""

    name: str
    seconds: float | None
    peak_mb: float | None
    note: str

    @property
    def verdict(self) -> str:
        if self.seconds is None:
            return "not measured"
        in_time = self.seconds <= TARGET_SECONDS[self.name]
        in_memory = self.peak_mb is None or self.peak_mb <= TARGET_MB.get(self.name, float("inf"))
        return "met" if in_time and in_memory else "missed"


def main() -> None:
    rows = list(measure())
    if "--json" in sys.argv[1:]:
        print(json.dumps([{**asdict(row), "verdict": row.verdict} for row in rows], indent=2))
        return
    table = Table(title=f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", title_justify="left")
    for column in ("what", "seconds", "at most", "peak MB", "at most", "verdict", "note"):
        table.add_column(column)
    for row in rows:
        seconds = "-" if row.seconds is None else f"{row.seconds:.1f}"
        peak = "-" if row.peak_mb is None else f"{row.peak_mb:.0f}"
        limit = f"{TARGET_MB[row.name]:.0f}" if row.name in TARGET_MB else "-"
        table.add_row(row.name, seconds, f"{TARGET_SECONDS[row.name]:.0f}", peak, limit, row.verdict, row.note)
    Console(width=140).print(table)


def measure() -> Iterator[Row]:
    """Every row, in the order of the table."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _digits(Path(folder))
    shared = os.environ.get("GANOPS_SHARED")
    source = Path(shared) / "data" / "fashion-mnist" if shared else None
    if source is None or not source.is_dir():
        yield Row("Fashion-MNIST to prepared", None, None, "GANOPS_SHARED names no folder with data/fashion-mnist")
        return
    with tempfile.TemporaryDirectory() as folder:
        yield _fashion(Path(folder), source)


def _digits(folder: Path) -> Iterator[Row]:
    begun = time.monotonic()
    _run(folder, "init", "bench")
    layout = Layout(folder / "bench")
    # everything is the demo's, but for the length of training
    workspace.edit_params(layout, {**DEMO_PARAMS, "candidates.dcgan.kimg": 0.2, "candidates.lite.kimg": 0.2})
    workspace.edit_params(layout, {"gate.first.max_fd": 1e6})
    _run(layout.root, "data", "add", "digits")
    _run(layout.root, "run")
    whole = Row("demo without training", time.monotonic() - begun, None, "training cut to 200 images a candidate")
    begun = time.monotonic()
    _run(layout.root, "run")
    yield Row("second run, nothing changed", time.monotonic() - begun, None, "Prefect's start included")
    yield whole
    started = "without the start of Python and MLflow"
    yield Row("audit verify, a version of 100 MB", audit.large_version(layout.root), None, f"signed; {started}")
    yield Row("audit verify, a journal of 10,000 lines", audit.long_journal(layout.root), None, started)


def _fashion(folder: Path, source: Path) -> Row:
    _run(folder, "init", "bench")
    begun = time.monotonic()
    peaks = [
        _run(folder / "bench", *arguments) for arguments in (("data", "add", str(source)), ("validate",), ("prepare",))
    ]
    return Row(
        "Fashion-MNIST to prepared", time.monotonic() - begun, max(peaks), "data add, validate, prepare: 70,000 images"
    )


def _run(folder: Path, *arguments: str) -> float:
    """Run `ganops` quietly; returns the peak resident memory in MB of it and of what it started."""
    output = os.open(folder / "bench.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    here = Path.cwd()
    os.chdir(folder)
    try:
        child = os.posix_spawn(GANOPS, [str(GANOPS), *arguments], os.environ, file_actions=actions)
    finally:
        os.chdir(here)
        os.close(output)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        sys.exit(f"ganops {' '.join(arguments)} failed:\n{(folder / 'bench.log').read_text()[-3000:]}")
    return _megabytes(usage)


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024  # kilobytes on Linux


if __name__ == "__main__":
    main()
