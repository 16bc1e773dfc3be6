"""Quality per second: a preset in the engine, `dcgan` in the public example's plain loop, the same images.

From the checkout, with the workspace beside it:

ganops init ../mine && ganops -w ../mine data add …
ganops -w ../mine validate && ganops -w ../mine prepare && ganops -w ../mine reference
python -m benchmarks.quality speed ../mine 28x28-grey-cpu                # images/s of both, in turns, on all cores
python -m benchmarks.quality learn ../mine plain 0 2300 100 out.jsonl    # who, seed, kimg, score every kimg, where to
python -m benchmarks.quality learn ../mine 28x28-grey-cpu 0 1500 100 out.jsonl
python -m benchmarks.quality picture quality.png plain=2500 28x28-grey-cpu=1700 *.jsonl    # images/s of each

A training is a matter of images shown and of nothing else, so that each may take its time on a busy machine;
what a quarter of an hour of an idle one is worth, `speed` says. Scores are plain Fréchet distances to the select
split, on 10,000 samples.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.ticker import ScalarFormatter

from ganops.bench.contestants import Contest, Contestant, Engine, PlainLoop
from ganops.bench.ground import Ground, ground_at
from ganops.bench.measure import BATCH_SIZE, MATCHES, in_turns
from ganops.config import CandidateConfig, Config, parse
from ganops.models import family_spec
from ganops.training.allocator import keep_pages
from ganops.training.precision import resolve_precision

PLAIN, SAMPLES, CPU = "plain", 10_000, torch.device("cpu")


def contestant(ground: Ground, who: str, seed: int, total_images: int) -> Contestant:
    """`plain`: the reference loop (a) with its dcgan; else a preset's name, in the engine."""
    candidate = MATCHES[0].candidate if who == PLAIN else _preset(who)
    spec = family_spec(candidate.family, ground.images_u8.shape[1:], candidate.width, candidate.z_dim)
    contest = Contest(ground.images_u8, spec, candidate, BATCH_SIZE, CPU, seed, total_images)
    return PlainLoop(contest) if who == PLAIN else Engine(contest, resolve_precision("auto", CPU))


def _preset(name: str) -> CandidateConfig:
    config: Config = parse({"candidates": {"best": {"preset": name}}})
    return config.candidates["best"]


def speed(workspace: Path, preset: str) -> None:
    """Images per second of both, which take turns."""
    torch.set_num_threads(os.cpu_count() or 1)
    keep_pages()
    ground = ground_at(workspace)
    both = [contestant(ground, who, 0, 10**9).step for who in (PLAIN, preset)]
    for who, (images_per_second, peak) in zip((PLAIN, preset), in_turns(both, 7, 4.0, CPU), strict=True):
        print(f"{who}: {images_per_second:,.0f} images/s, {peak:.0f} MB")


def learn(workspace: Path, who: str, seed: int, kimg: float, every_kimg: float, out: Path) -> None:
    """Train, and write a line {who, seed, kimg, seconds, fd} at each score."""
    torch.set_num_threads(1)
    keep_pages()
    ground = ground_at(workspace, num_images=SAMPLES)
    runner, seconds = contestant(ground, who, seed, round(kimg * 1000)), 0.0
    steps, between = (round(length * 1000 / BATCH_SIZE) for length in (kimg, every_kimg))
    begun = time.perf_counter()
    for step in range(1, steps + 1):
        runner.step()
        if step % between and step != steps:
            continue
        seconds += time.perf_counter() - begun
        line = {"who": who, "seed": seed, "kimg": step * BATCH_SIZE / 1000, "seconds": seconds}
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"fd": ground.score(runner.generator())}) + "\n")
        begun = time.perf_counter()


def picture(path: Path, speeds: dict[str, float], outs: Sequence[Path]) -> None:
    """Every seed's distance against the seconds that an idle machine would need, the median at the end printed."""
    curves: dict[str, dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for out in outs:
        for line in map(json.loads, out.read_text(encoding="utf-8").splitlines()):
            curves[line["who"]][line["seed"]].append((line["kimg"] * 1000 / speeds[line["who"]], line["fd"]))
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for colour, (who, seeds) in zip(("tab:grey", "tab:blue", "tab:orange"), curves.items(), strict=False):
        for number, points in enumerate(seeds.values()):
            axes.plot(*zip(*points, strict=True), color=colour, label=who if number == 0 else None)
        ends = [points[-1][1] for points in seeds.values()]
        print(f"{who}: {', '.join(f'{end:.2f}' for end in ends)}; median {statistics.median(ends):.2f}")
    axes.set(xlabel="seconds on two cores", ylabel="Fréchet distance to select", yscale="log")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.legend()
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["speed", workspace, preset]:
            speed(Path(workspace), preset)
        case ["learn", workspace, who, seed, kimg, every_kimg, out]:
            learn(Path(workspace), who, int(seed), float(kimg), float(every_kimg), Path(out))
        case ["picture", path, *rest]:
            rates = {who: float(value) for who, value in (text.split("=") for text in rest if "=" in text)}
            picture(Path(path), rates, [Path(text) for text in rest if "=" not in text])
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
