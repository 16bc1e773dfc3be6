"""Images without labels go the whole way: judged by a pretext extractor, trained, evaluated, decided on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ganops.config import parse
from ganops.data.prepared import write_dataset
from ganops.data.split import Split
from ganops.evaluation.compare import compare
from ganops.evaluation.extractors import load_extractor, training
from ganops.evaluation.reference import test_reference
from ganops.evaluation.sample import Sample, read_training_images, take_sample
from ganops.gate import decide
from ganops.layout import Layout
from ganops.models import load_snapshot
from ganops.stages.evaluate import evaluate
from ganops.stages.reference import reference
from ganops.stages.train import train

COUNTS: dict[Split, int] = {"train": 400, "select": 120, "test": 120}
PARAMS = {
    "reference": {"features": 16, "batch_size": 64, "epochs": 1},
    "train": {"device": "cpu", "batch_size": 8, "evaluate_images": 100, "evaluate_every_kimg": 0.1},
    "evaluate": {"num_images": 200},
    "candidates": {
        "champion": {"family": "dcgan", "objective": "non_saturating", "kimg": 0.1, "width": 4, "z_dim": 4},
        "challenger": {"family": "lite", "objective": "relativistic", "gamma": 1.0, "kimg": 0.2, "width": 4},
    },
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Smooth noise, as `ganops prepare` leaves images without labels."""
    layout, random = Layout(tmp_path), np.random.default_rng(0)
    for name, count in COUNTS.items():
        folder = layout.prepared / name
        folder.mkdir(parents=True)
        noise = random.normal(size=(count, 1, 9, 9))
        smooth = noise[..., 1:, 1:] + noise[..., :-1, 1:] + noise[..., 1:, :-1] + noise[..., :-1, :-1]
        np.save(folder / "images.npy", (128 + 30 * smooth).clip(0, 255).astype(np.uint8))
        np.save(folder / "labels.npy", np.full(count, -1))
        np.save(folder / "ids.npy", random.integers(0, 256, (count, 32), dtype=np.uint8))
    write_dataset(layout.prepared, (1, 8, 8), [], COUNTS, {}, "p@1")
    return layout


def test_unlabelled_images_are_judged_trained_on_evaluated_and_decided_on(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MIN_STEPS", 150)
    config = parse(PARAMS)
    made = reference(layout, config)
    assert (made.extractor, made.why) == ("pretext", "since the images have no labels")
    for candidate in config.candidates:
        train(layout, config, candidate, "code")
        report = evaluate(layout, config, candidate)
        assert report.score_name == f"fd_pretext@{made.extractor_sha256[:8]}"
        assert report.fd_star.finite

    held_out, extractor = test_reference(layout.reference), load_extractor(layout.reference / "extractor")

    def sample(candidate: str) -> Sample:
        folder = layout.snapshot(candidate)
        snapshot = load_snapshot(folder)
        return take_sample(snapshot, read_training_images(folder, snapshot), extractor, held_out, 200, seed=0)

    decision = decide(compare(sample("challenger"), sample("champion"), held_out), config.gate, attempt=1)
    assert {check.name: check.verdict for check in decision.checks}["finite"] == "passed"
