from __future__ import annotations

import json
import multiprocessing

import numpy as np
import pytest
import torch
from rich.console import Console

from ganops.bench import measure
from ganops.bench.alone import home
from ganops.bench.contestants import Contest, PaperStep
from ganops.bench.measure import MATCHES, Lesson, bench_training
from ganops.config import CandidateConfig
from ganops.errors import GanOpsError
from ganops.models import ModelSpec
from ganops.reports.bench import print_bench

IMAGES = np.random.default_rng(0).integers(0, 256, (80, 1, 8, 8), dtype=np.uint8)
CANDIDATE = CandidateConfig(family="lite", objective="relativistic", gamma=0.5, width=4, z_dim=4)
CONTEST = Contest(IMAGES, ModelSpec("lite", (1, 8, 8), 4, 4), CANDIDATE, 8, torch.device("cpu"), 0)


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
            if row.device == "cpu":
                assert row.alone_images_per_second
                assert row.ratio_alone == pytest.approx(row.images_per_second / row.alone_images_per_second)
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
    engine, reference = [1.0, 5.0, 2.0], [10.0, 30.0, 20.0]
    scores = iter([*engine, *reference, *engine])  # the reference is taught once, not once for each precision
    lesson = Lesson(0.008, 3, lambda generator: next(scores))
    told: list[str] = []
    found = bench_training(IMAGES, 1, 0.01, lesson, ["lite"], lambda done, total, note: told.append(note))
    rows = [row for row in found if row.ratio is not None]
    assert rows and {row.name for row in rows} == {"lite, relativistic + R1 + R2"}
    assert [(row.fd, row.reference_fd) for row in rows] == [(2.0, 20.0)] * len(rows)
    assert "lite, relativistic + R1 + R2, cpu, float32: 0.008 kimg of the reference, seed 2 of 3" in told


def test_a_reference_alone_that_dies_ends_the_table_with_a_word() -> None:
    with home() as alone:
        step = alone.starts(PaperStep, CONTEST)
        step()
        (child,) = multiprocessing.active_children()
        child.kill()
        with pytest.raises(GanOpsError, match="died or hangs"):
            step()
    assert multiprocessing.active_children() == []
