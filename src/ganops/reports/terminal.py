"""What a person sees on the terminal: progress bars and tables."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from ganops.plain_text import spelt
from ganops.reports.summary import RunSummary
from ganops.reports.words import words

_PLAIN_SECONDS = 10.0
"""How often a step tells where it is when nobody can see a bar."""


def say(text: str) -> None:
    """One line of a result, at once; what would steer the terminal is spelt out."""
    print(spelt(text), flush=True)


def print_json(value: Any) -> None:
    """A result for a program; a figure that is no number is a programmer's mistake."""
    print(json.dumps(value, indent=2, default=str, allow_nan=False))


@final
class Steps:
    """Progress of named steps: bars on a terminal, a line now and then elsewhere. Safe across threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, float] = {}

    def observe(self, step: str, done: int, total: int, note: str) -> None:
        """Step `step` is at `done` of `total` (0: unknown)."""
        note = spelt(note)
        if self._bars is None:
            self._tell(step, done, total, note)
            return
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=total or None, note="")
        self._bars.update(self._tasks[step], completed=done, total=total or None, note=note)

    @contextmanager
    def showing(self) -> Iterator[Steps]:
        """Show bars while the block runs, where there is a terminal to show them on."""
        if not self._console.is_terminal:
            yield self
            return
        bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=16),
            _Time(table_column=Column(no_wrap=True)),
            TextColumn("[dim]{task.fields[note]}", table_column=None),
            console=self._console,
        )
        with bars:
            self._bars = bars
            try:
                yield self
            finally:
                self._bars = None

    def _tell(self, step: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        finished = total > 0 and done >= total and note == "done"
        if not finished and now - self._told.get(step, now - _PLAIN_SECONDS) < _PLAIN_SECONDS:
            return
        self._told[step] = now
        share = f"{100 * done / total:3.0f} %" if total else "     "
        self._console.print(f"{step:<20} {share}  {note}", highlight=False, markup=False)


@final
class _Time(ProgressColumn):
    """How long a step still takes, once that can be estimated; else how long it has taken."""

    def render(self, task: Task) -> Text:
        left = None if task.finished else task.time_remaining
        if left is not None:
            return Text(f"{timedelta(seconds=round(left))} left")
        taken = task.finished_time if task.finished else task.elapsed
        return Text(str(timedelta(seconds=round(taken or 0))))


def errors_console() -> Console:
    """Progress and errors go to standard error, so that standard output holds results alone."""
    return Console(stderr=True, soft_wrap=not sys.stderr.isatty())


def results_console() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else 120)


def print_summary(console: Console, summary: RunSummary, commands: dict[str, str]) -> None:
    """The end of a run: candidates, the decision and why, the version, where to look."""
    console.print(_candidates(summary))
    for candidate, remark in summary.remarks():
        console.print(f"{candidate}: {spelt(remark)}", markup=False, highlight=False, soft_wrap=True)
    console.print("\n[bold]Decision[/]: ", end="")
    console.print(spelt(summary.sentence), markup=False, highlight=False)
    if summary.checks:
        print_checks(console, summary.checks)
    aliases = f" (alias {', '.join(summary.aliases)})" if summary.aliases else ""
    console.print(f"\nModel [bold]{summary.model}[/] version {summary.version}: stage {summary.stage}{aliases}")
    console.print("\nWhere to look")
    for what, how in commands.items():
        console.print(f"  {what:<14} {how}", markup=False, highlight=False, soft_wrap=True)


def _candidates(summary: RunSummary) -> Table:
    table = Table(
        title="Candidates on the select split, best first",
        caption=f"FD* is {summary.score}, a Fréchet distance without its bias: near 0 it may fall a little below.",
        title_justify="left",
        caption_justify="left",
    )
    for number, row in enumerate(summary.table()):
        if number == 0:
            for column in row:
                table.add_column(column, justify="left" if column in ("candidate", "family") else "right")
        table.add_row(*row.values())
    return table


def print_checks(console: Console, checks: Sequence[Mapping[str, Any]]) -> None:
    """What the gate asked and what came of it, in words; every figure is in the JSON."""
    table = Table(title="The gate's checks on the test split", title_justify="left")
    for column in ("check", "verdict", "in words"):
        table.add_column(column)
    for check in checks:
        style = {"passed": "green", "failed": "red"}.get(str(check["verdict"]), "")
        verdict = words(check["verdict"]).lower()
        table.add_row(
            words(check["name"]), f"[{style}]{verdict}[/]" if style else verdict, spelt(str(check["sentence"]))
        )
    console.print(table)


def print_rows(console: Console, rows: Sequence[Mapping[str, Any]], title: str, empty: str) -> None:
    """Rows of equal keys as a table, what is not there as a dash; or a sentence when there are none."""
    if not rows:
        console.print(empty, markup=False, highlight=False)
        return
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        # as it is: what a person wrote may hold what Rich would take for markup
        table.add_row(*(Text("–" if value is None or value == "" else spelt(str(value))) for value in row.values()))
    console.print(table)
