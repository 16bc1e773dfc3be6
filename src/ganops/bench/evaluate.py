"""`ganops bench evaluate`: how fast evaluation is, beside the usual ways to the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from ganops.bench import evaluate_frechet, evaluate_neighbours
from ganops.bench.rows import Row
from ganops.progress import Progress, silent

PARTS = ("frechet", "neighbours")


def bench_evaluation(turns: int, parts: Collection[str] = (), progress: Progress = silent) -> list[Row]:
    """Every row, or those of `parts`. turns: of each contestant; the slowest have one, and say so."""
    measured: Mapping[str, Callable[[], Iterator[Row]]] = {
        "frechet": lambda: evaluate_frechet.frechet_rows(turns),
        "neighbours": evaluate_neighbours.neighbour_rows,
    }
    assert tuple(measured) == PARTS
    rows: list[Row] = []
    chosen = [part for part in PARTS if not parts or part in parts]
    for done, part in enumerate(chosen):
        for row in measured[part]():
            rows.append(row)
            progress(done, len(chosen), f"{part}: {row.name}")
    progress(len(chosen), len(chosen), "done")
    return rows
