from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from rich.console import Console

from ganops.bench import ground, measure
from ganops.bench.contestants import Contest, Contestant, Engine, PaperStep, PlainLoop
from ganops.bench.measure import MATCHES, Lesson, bench_training
from ganops.config import CandidateConfig
from ganops.models import ModelSpec, build_generator, latents
from ganops.reports.bench import print_bench

IMAGES = np.random.default_rng(0).integers(0, 256, (80, 1, 8, 8), dtype=np.uint8)
CANDIDATE = CandidateConfig(family="lite", objective="relativistic", gamma=0.5, width=4, z_dim=4)
CONTEST = Contest(IMAGES, ModelSpec("lite", (1, 8, 8), 4, 4), CANDIDATE, 8, torch.device("cpu"), 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Engine(CONTEST, "float32"),
        lambda: PlainLoop(CONTEST),
        lambda: PaperStep(CONTEST),
    ],
)
def test_each_contestant_trains(make: Callable[[], Contestant]) -> None:
    contestant = make()
    z = latents(0, 4, 4)
    before = contestant.generator()(z).detach().clone()
    for _ in range(3):
        contestant.step()
    assert not torch.equal(contestant.generator()(z), before)


def test_the_table_has_every_row_and_says_what_was_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "BATCH_SIZE", 8)
    monkeypatch.setattr(measure, "WARM_UP_STEPS", 1)
    scores = iter(np.linspace(1, 2, 100))
    rows = bench_training(IMAGES, 1, 0.01, Lesson(0.008, 3, lambda generator: float(next(scores))))
    assert len(rows) == 2 * 2 * len(MATCHES)
    found = [row.to_json() for row in rows]
    json.dumps(found, allow_nan=False)
    for row in rows:
        if row.ratio is None:
            assert row.verdict == "not measured" and row.note
        else:
            assert row.images_per_second and row.reference_images_per_second
            assert row.ratio == pytest.approx(row.images_per_second / row.reference_images_per_second)
            assert row.verdict == ("met" if row.ratio >= row.target else "missed")
            assert row.peak_mb and row.peak_mb > 0
            assert row.fd is not None and row.reference_fd is not None and row.kimg == 0.008
    console = Console(record=True, width=120)
    print_bench(console, "noise", "a test", found)
    text = console.export_text()
    if not torch.cuda.is_available():
        assert "Not measured" in text and "no GPU here" in text


def test_what_was_learnt_is_the_median_of_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "BATCH_SIZE", 8)
    monkeypatch.setattr(measure, "WARM_UP_STEPS", 1)
    scores = iter([1.0, 10.0, 5.0, 30.0, 2.0, 20.0] * 2)  # of engine and reference, seed by seed, in each precision
    lesson = Lesson(0.008, 3, lambda generator: next(scores))
    rows = [row for row in bench_training(IMAGES, 1, 0.01, lesson, ["lite"]) if row.ratio is not None]
    assert rows and {row.name for row in rows} == {"lite, relativistic + R1 + R2"}
    assert [(row.fd, row.reference_fd) for row in rows] == [(2.0, 20.0)] * len(rows)


def test_nothing_is_trained_to_score_before_something_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(*arguments: object, **named: object) -> None:
        raise RuntimeError("a classifier was trained")

    monkeypatch.setattr(ground, "fit_classifier", trained)
    digits = ground.digits_ground()
    assert digits.images_u8.shape[1:] == (1, 28, 28)
    with pytest.raises(RuntimeError, match="a classifier was trained"):
        digits.score(build_generator(CONTEST.spec, 0))
