"""The table of `ganops bench train`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def print_bench(console: Console, ground: str, hardware: str, rows: Sequence[dict[str, Any]]) -> None:
    """rows: as `ganops bench train --json` has them."""
    table = Table(
        title=f"Training on {ground}; {hardware}",
        caption="Speeds in images per second, medians of turns taken one after the other; memory in MB.\n"
        "PlainLoop: the loop of the public DCGAN example. PaperStep: the R3GAN step from its paper, eager.\n"
        "alone: the reference in a process of its own, with the system's allocator, and the ratio to that.",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("what", "reference", "on"):
        table.add_column(column)
    measured = [row for row in rows if row["ratio"] is not None]
    quality = ["FD, reference's"] * any(row["fd"] is not None for row in measured)
    for column in ("img/s", "reference", "ratio", "target", "alone", "MB", *quality):
        table.add_column(column, justify="right")
    for row in measured:
        table.add_row(*_cells(row)[: len(table.columns)])
    console.print(table)
    for row in rows:
        if row not in measured:
            what = f"{row['name']} on {row['device']} in {row['precision']} (target {row['target']:g})"
            console.print(f"Not measured: {what}, {row['note']}.", highlight=False, markup=False)


def _cells(row: dict[str, Any]) -> list[str]:
    what = [str(row["name"]), str(row["reference"]), f"{row['device']} {row['precision']}"]
    quality = f"{row['fd']:.3g}, {row['reference_fd']:.3g} at {row['kimg']:g} kimg" if row["fd"] is not None else ""
    return [
        *what,
        f"{row['images_per_second']:,.0f}",
        f"{row['reference_images_per_second']:,.0f}",
        f"{row['ratio']:.2f} {row['verdict']}",
        f"{row['target']:g}",
        f"{row['alone_images_per_second']:,.0f} {row['ratio_alone']:.2f}" if row["ratio_alone"] is not None else "",
        f"{row['peak_mb']:.0f}, {row['reference_peak_mb']:.0f}",
        quality,
    ]
