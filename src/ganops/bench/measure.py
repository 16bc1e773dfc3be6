"""`ganops bench train`: the table of speeds. `bench_training` is the path to read.

The machines that this runs on are shared: contestants take short turns, and medians of the turns are compared.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

import torch

from ganops.bench.alone import Home, Reference, Step, home
from ganops.bench.contestants import Contest, Contestant, Engine, Images, PaperStep, PlainLoop
from ganops.config import CandidateConfig
from ganops.models import Generator, family_spec
from ganops.progress import Progress, silent
from ganops.training.allocator import keep_pages
from ganops.training.precision import resolve_precision

BATCH_SIZE = 64
WARM_UP_STEPS = 3
PRECISIONS = ("float32", "bfloat16")
TARGETS = {("cpu", "float32"): 1.5, ("cpu", "bfloat16"): 2.2, ("cuda", "float32"): 3.0, ("cuda", "bfloat16"): 3.0}
"""Ratios that the engine is to reach, by device and precision."""

Score = Callable[[Generator], float]


@final
@dataclass(frozen=True)
class Lesson:
    """What else is compared: `score` (smaller is better) of both after `kimg`, the median of so many seeds."""

    kimg: float
    seeds: int
    score: Score


@final
@dataclass(frozen=True)
class Match:
    """One comparison: a candidate, and the reference that trains the same networks its own way, at the same rates."""

    name: str
    candidate: CandidateConfig
    reference: Reference


MATCHES = (
    Match(
        "dcgan, non-saturating",
        CandidateConfig(family="dcgan", objective="non_saturating", width=32, z_dim=64, warm_up_kimg=0.0),
        PlainLoop,
    ),
    Match(
        "lite, relativistic + R1 + R2",
        CandidateConfig(
            family="lite",
            objective="relativistic",
            gamma=1.0,
            width=16,
            z_dim=64,
            warm_up_kimg=0.0,
            generator_lr=6e-4,
            discriminator_lr=3e-4,
            betas=(0.0, 0.99),
        ),
        PaperStep,
    ),
    Match(
        "r3gan, relativistic + R1 + R2",
        CandidateConfig(
            family="r3gan",
            objective="relativistic",
            gamma=1.0,
            width=16,
            z_dim=64,
            warm_up_kimg=0.0,
            generator_lr=2e-4,
            discriminator_lr=2e-4,
            betas=(0.0, 0.99),
        ),
        PaperStep,
    ),
)


@final
@dataclass(frozen=True)
class Row:
    """One line of the table; None where nothing was measured, and `note` says why.

    note of what was measured: why the engine had no CUDA graph where it was to have one, else empty.
    ratio: images_per_second over reference_images_per_second, both in one process, where the reference has the
    engine's allocator too; ratio_alone: over alone_images_per_second, the reference in a process of its own, as people
    run it; None on CUDA, where the allocator is PyTorch's. peak_mb: highest resident (CPU) or allocated
    (CUDA) memory while each had its turns. fd: the `Lesson`'s score of both, where that was asked for.
    """

    name: str
    reference: str
    device: str
    precision: str
    images_per_second: float | None
    reference_images_per_second: float | None
    ratio: float | None
    alone_images_per_second: float | None
    ratio_alone: float | None
    target: float
    peak_mb: float | None
    reference_peak_mb: float | None
    kimg: float | None
    fd: float | None
    reference_fd: float | None
    note: str

    @property
    def verdict(self) -> str:
        if self.ratio is None:
            return "not measured"
        return "met" if self.ratio >= self.target else "missed"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def bench_training(
    images_u8: Images,
    turns: int,
    seconds: float,
    lesson: Lesson | None = None,
    families: Collection[str] = (),
    progress: Progress = silent,
) -> list[Row]:
    """Every row, or those of `families`, on images_u8 (N, C, H, W).

    turns, seconds: how often each contestant has its turn, and for how long.
    """
    keep_pages()
    matches = [match for match in MATCHES if not families or match.candidate.family in families]
    todo = [(device, match, precision) for device in ("cpu", "cuda") for match in matches for precision in PRECISIONS]
    rows = []
    with home() as alone:
        terms = _Terms(images_u8, turns, seconds, lesson, alone)
        for done, (device, match, precision) in enumerate(todo):
            tell = partial(_tell, progress, done, len(todo), f"{match.name}, {device}, {precision}")
            tell("")
            reason = _unavailable(device, precision)
            if reason is not None:
                rows.append(_not_measured(match, device, precision, reason))
            else:
                rows.append(_measured(terms, match, torch.device(device), precision, tell))
    progress(len(todo), len(todo), "done")
    return rows


def _tell(progress: Progress, done: int, total: int, row: str, what: str) -> None:
    progress(done, total, row + what)


def _unavailable(device: str, precision: str) -> str | None:
    if device == "cuda" and not torch.cuda.is_available():
        return "no GPU here"
    if precision == "bfloat16" and resolve_precision("auto", torch.device(device)) != "bfloat16":
        return "this processor does not compute in bfloat16"
    return None


def _not_measured(match: Match, device: str, precision: str, reason: str) -> Row:
    target = TARGETS[device, precision]
    nothing = (None,) * 5
    return Row(match.name, match.reference.__name__, device, precision, *nothing, target, *(None,) * 5, reason)


@final
@dataclass(frozen=True, eq=False)
class _Terms:
    """What holds for every row. taught: scores of references, which have the same in every row of theirs."""

    images_u8: Images
    turns: int
    seconds: float
    lesson: Lesson | None
    alone: Home
    taught: dict[tuple[str, str], float] = field(default_factory=dict)


def _measured(terms: _Terms, match: Match, device: torch.device, precision: str, tell: Callable[[str], None]) -> Row:
    contest = _contest(terms.images_u8, match, device, 0)
    engine, reference = Engine(contest, precision), match.reference(contest)
    at_home = [terms.alone.starts(match.reference, contest)] if device.type == "cpu" else []
    timed = in_turns([engine.step, reference.step, *at_home], terms.turns, terms.seconds, device)
    (speed, peak), (reference_speed, reference_peak), *rest = timed
    alone_speed = rest[0][0] if rest else None
    fd, reference_fd = _taught(terms, match, device, precision, tell)
    return Row(
        match.name,
        match.reference.__name__,
        device.type,
        precision,
        speed,
        reference_speed,
        speed / reference_speed,
        alone_speed,
        speed / alone_speed if alone_speed else None,
        TARGETS[device.type, precision],
        peak,
        reference_peak,
        None if terms.lesson is None else terms.lesson.kimg,
        fd,
        reference_fd,
        " ".join(engine.notes),
    )


def _contest(images_u8: Images, match: Match, device: torch.device, seed: int) -> Contest:
    channels, height, width = images_u8.shape[1:]
    candidate = match.candidate
    spec = family_spec(candidate.family, (channels, height, width), candidate.width, candidate.z_dim)
    return Contest(images_u8, spec, candidate, BATCH_SIZE, device, seed)


def in_turns(steps: Sequence[Step], turns: int, seconds: float, device: torch.device) -> list[tuple[float, float]]:
    """(images per second, peak MB) of each, whose steps are batches: the median and the maximum of its turns."""
    speeds: list[list[float]] = [[] for _ in steps]
    peaks = [0.0 for _ in steps]
    for step in steps:
        for _ in range(WARM_UP_STEPS):
            step()
    for _ in range(turns):
        for number, step in enumerate(steps):
            _forget_peak(device)
            speeds[number].append(_images_per_second(step, seconds, device))
            peaks[number] = max(peaks[number], _peak_mb(device))
    return [(statistics.median(speed), peak) for speed, peak in zip(speeds, peaks, strict=True)]


def _images_per_second(step: Step, seconds: float, device: torch.device) -> float:
    _wait(device)
    begun, done = time.perf_counter(), 0
    for _ in _until(begun + seconds):
        step()
        done += 1
    _wait(device)
    return done * BATCH_SIZE / (time.perf_counter() - begun)


def _until(deadline: float) -> Iterator[None]:
    yield
    while time.perf_counter() < deadline:
        yield


def _taught(
    terms: _Terms, match: Match, device: torch.device, precision: str, tell: Callable[[str], None]
) -> tuple[float, float] | tuple[None, None]:
    """The median scores of engine and reference after the lesson."""
    lesson = terms.lesson
    if lesson is None:
        return None, None

    def median_of(who: str, make: Callable[[Contest], Contestant]) -> float:
        scores = []
        for seed in range(lesson.seeds):
            tell(f": {lesson.kimg:g} kimg of the {who}, seed {seed + 1} of {lesson.seeds}")
            scores.append(_score_after(make(_contest(terms.images_u8, match, device, seed)), lesson))
        return statistics.median(scores)

    fd = median_of("engine", lambda contest: Engine(contest, precision))
    key = (match.name, device.type)
    if key not in terms.taught:
        terms.taught[key] = median_of("reference", match.reference)
    return fd, terms.taught[key]


def _score_after(contestant: Contestant, lesson: Lesson) -> float:
    for _ in range(round(lesson.kimg * 1000 / BATCH_SIZE)):
        contestant.step()
    return lesson.score(contestant.generator())


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: forget VmHWM


def _peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return float("nan")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) / 1024
