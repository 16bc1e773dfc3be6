"""The table of `ganops bench evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def print_evaluation_bench(console: Console, hardware: str, rows: Sequence[dict[str, Any]]) -> None:
    """rows: as `ganops bench evaluate --json` has them."""
    table = Table(
        title=f"Evaluation; {hardware}",
        caption="Medians of turns taken one after the other. Off: the results' difference, relative. Memory in MB.",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("what", "beside", "on"):
        table.add_column(column)
    for column in ("ours", "beside", "ratio", "target", "off", "MB"):
        table.add_column(column, justify="right")
    measured = [row for row in rows if row["ours"] is not None]
    for row in measured:
        table.add_row(*_cells(row))
    console.print(table)
    for row in rows:
        if row["note"] or row not in measured:
            said = row["note"] if row in measured else f"not measured: {row['note']}"
            text = f"{row['part']}, {row['name']}, {row['device']}{_target(row, ' (target {})')}: {said}."
            console.print(text, highlight=False, markup=False)


def _cells(row: dict[str, Any]) -> list[str]:
    verdict = row["verdict"] if row["verdict"] != "no target" else ""
    return [
        f"{row['part']}: {row['name']}",
        str(row["reference"]),
        str(row["device"]),
        _figure(row["ours"], row["unit"]),
        _figure(row["theirs"], row["unit"]),
        f"{row['ratio']:.2f}" if row["ratio"] is not None else "",
        f"{_target(row, '{}')} {verdict}".strip(),
        f"{row['difference']:.1e}" if row["difference"] is not None else "",
        ", ".join(f"{row[key]:.0f}" for key in ("peak_mb", "reference_peak_mb") if row[key] is not None),
    ]


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.3g} s" if unit == "s" else f"{value:,.1f}/s"


def _target(row: dict[str, Any], form: str) -> str:
    forms = (("at_most", "{:g} s"), ("ratio", "{:g}x"), ("difference", "{:.1%} off"))
    said = [text.format(row["target"][key]) for key, text in forms if row["target"][key] is not None]
    return form.format(", ".join(said)) if said else ""
