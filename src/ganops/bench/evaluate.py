"""`ganops bench evaluate`: how fast evaluation is, beside the usual ways to the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from ganops.bench import evaluate_cache, evaluate_forward, evaluate_frechet, evaluate_neighbours
from ganops.bench.rows import Row
from ganops.progress import Progress, silent

PARTS = ("frechet", "inception", "neighbours", "cache")


def bench_evaluation(
    turns: int, weights: Path | None = None, parts: Collection[str] = (), progress: Progress = silent
) -> list[Row]:
    """Every row, or those of `parts`. turns: of each contestant; the slowest have one, and say so.

    weights: the published Inception weights; without them the same network with random ones, which is as fast.

    Raises:
        UserError: the weights cannot be read.
        DamagedFile: they are not the published ones.
    """
    measured: Mapping[str, Callable[[], Iterator[Row]]] = {
        "frechet": lambda: evaluate_frechet.frechet_rows(turns),
        "inception": lambda: evaluate_forward.inception_rows(turns, weights),
        "neighbours": lambda: evaluate_neighbours.neighbour_rows(turns),
        "cache": lambda: evaluate_cache.cache_rows(turns),
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
