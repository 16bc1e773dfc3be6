"""The verbs `bench train` and `bench evaluate`."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from ganops.errors import UnknownName
from ganops.reports.terminal import Steps, errors_console, print_json, results_console


def train(
    start: Path,
    kimg: float,
    seeds: int,
    families: Collection[str],
    turns: int,
    seconds: float,
    threads: int,
    json: bool,
) -> None:
    import torch

    from ganops.bench.ground import ground_at
    from ganops.bench.measure import MATCHES, Lesson, bench_training
    from ganops.reports.bench import print_bench

    timed = [match.candidate.family for match in MATCHES]
    if unknown := [family for family in families if family not in timed]:
        raise UnknownName(f"'{unknown[0]}' is not among the families that are timed: {', '.join(timed)}.")
    torch.set_num_threads(threads)
    steps = Steps(errors_console())

    def judge(done: int, total: int, note: str) -> None:
        steps.observe("judge", done, total, f"{note}: a classifier, which scores the samples")

    with steps.showing():
        ground = ground_at(start, judge)
        lesson = Lesson(kimg, seeds, ground.score) if kimg > 0 else None
        rows = bench_training(ground.images_u8, turns, seconds, lesson, families, partial(steps.observe, "bench"))
    found = [row.to_json() for row in rows]
    hardware = _hardware(threads)
    if json:
        print_json({"data": ground.name, "hardware": hardware, "rows": found})
    else:
        print_bench(results_console(), ground.name, hardware, found)


def evaluate(parts: Collection[str], turns: int, weights: Path | None, threads: int, json: bool) -> None:
    import torch

    from ganops.bench.evaluate import PARTS, bench_evaluation
    from ganops.reports.bench_evaluate import print_evaluation_bench

    if unknown := [part for part in parts if part not in PARTS]:
        raise UnknownName(f"'{unknown[0]}' is not among the parts that are timed: {', '.join(PARTS)}.")
    torch.set_num_threads(threads)
    steps = Steps(errors_console())
    with steps.showing():
        rows = bench_evaluation(turns, weights, parts, partial(steps.observe, "bench"))
    found = [row.to_json() for row in rows]
    hardware = _hardware(threads)
    if json:
        print_json({"hardware": hardware, "rows": found})
    else:
        print_evaluation_bench(results_console(), hardware, found)


def _hardware(threads: int) -> str:
    import torch

    return f"{threads} CPU thread{'s' * (threads != 1)}, torch {torch.__version__}"
