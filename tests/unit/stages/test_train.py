from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganops.config import Config, parse
from ganops.errors import ConfigError, TrainingFailed, UnknownName, WorkspaceError
from ganops.files import write_json
from ganops.layout import Layout
from ganops.models import load_snapshot
from ganops.stages import train as stage
from ganops.stages.train import train

COUNT, SHAPE = 40, (1, 8, 8)


class _MeanPixels:
    """Stands for the pinned extractor: four means of an image."""

    def features(self, images_u8: Any) -> np.ndarray[Any, Any]:
        images = np.asarray(images_u8).astype(np.float32).reshape(len(images_u8), 2, 4, 2, 4)
        return images.mean(axis=(2, 4)).reshape(len(images_u8), 4) / 255


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A workspace after `prepare` and `reference`."""
    layout = Layout(tmp_path)
    random = np.random.default_rng(0)
    images_u8 = random.integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)
    ids = np.stack([np.frombuffer(hashlib.sha256(image.tobytes()).digest(), np.uint8) for image in images_u8])
    for split in ("train", "select"):
        folder = layout.prepared / split
        folder.mkdir(parents=True)
        np.save(folder / "images.npy", images_u8)
        np.save(folder / "ids.npy", ids)
    write_json(layout.prepared / "dataset.json", {"format": 1, "sha256": {"train": "aa"}, "preprocessing": "p1"})
    (layout.reference / "select").mkdir(parents=True)
    np.save(layout.reference / "select" / "features.npy", _MeanPixels().features(images_u8))
    monkeypatch.setattr(stage, "load_extractor", lambda directory: _MeanPixels())
    return layout


def config_with(**train_keys: Any) -> Config:
    settings = {"batch_size": 8, "evaluate_every_kimg": 0.1, "checkpoint_every_kimg": 0.1, "evaluate_images": 100}
    return parse(
        {
            "seed": 3,
            "train": settings | {"device": "cpu", "precision": "float32"} | train_keys,
            "candidates": {
                "a": {"family": "dcgan", "objective": "non_saturating", "kimg": 0.2, "width": 4, "z_dim": 4},
                "b": {
                    "family": "lite",
                    "objective": "relativistic",
                    "gamma": 1.0,
                    "kimg": 0.2,
                    "width": 4,
                    "z_dim": 4,
                    "generator_lr": 1e18,
                    "discriminator_lr": 1e18,
                },
            },
        }
    )


def test_it_writes_snapshot_statistics_and_samples(layout: Layout) -> None:
    report = train(layout, config_with(), "a", "code")
    snapshot = load_snapshot(layout.snapshot("a"))
    assert (snapshot.sha256, snapshot.generator_sha256) == (report.snapshot_sha256, report.generator_sha256)
    assert snapshot.info["seed"] == 3
    assert snapshot.info["data_sha256"] == "aa"
    lines = [json.loads(line) for line in (layout.train_dir("a") / "stats.jsonl").read_text().splitlines()]
    assert lines[-1]["images_seen"] == report.images_seen == 200
    assert lines[-1]["best_fd"] == report.fd
    samples = sorted(path.name for path in (layout.train_dir("a") / "samples").iterdir())
    assert samples == ["000000000104.png", "000000000200.png", "final.png"]
    assert not any(layout.checkpoints.iterdir())


def test_the_snapshot_lists_its_training_images(layout: Layout) -> None:
    train(layout, config_with(), "a", "code")
    short = np.load(layout.snapshot("a") / "training_images.npy", allow_pickle=False)
    ids = np.load(layout.prepared / "train" / "ids.npy", allow_pickle=False)
    assert short.dtype == np.uint64
    assert short.tolist() == sorted(int.from_bytes(one[:8].tobytes(), "big") for one in ids)


def test_the_snapshot_depends_on_no_clock(layout: Layout) -> None:
    digests = {train(layout, config_with(), "a", "code").snapshot_sha256 for _ in range(2)}
    assert len(digests) == 1
    assert train(layout, config_with(), "a", "other code").snapshot_sha256 not in digests


def test_a_failure_leaves_the_earlier_snapshot(layout: Layout) -> None:
    train(layout, config_with(), "a", "code")
    layout.candidate("a").rename(layout.candidate("b"))
    before = load_snapshot(layout.snapshot("b")).sha256
    with pytest.raises(TrainingFailed):
        train(layout, config_with(), "b", "code")
    assert load_snapshot(layout.snapshot("b")).sha256 == before


def test_mistakes_of_the_user(layout: Layout) -> None:
    with pytest.raises(UnknownName, match="a, b"):
        train(layout, config_with(), "c", "code")
    with pytest.raises(ConfigError, match=r"train\.batch_size.*41.*40"):
        train(layout, config_with(batch_size=41), "a", "code")


@pytest.mark.parametrize(
    ("missing", "stage_to_run"),
    [
        ("prepared/train/images.npy", "prepare"),
        ("prepared/dataset.json", "prepare"),
        ("reference/select/features.npy", "reference"),
    ],
)
def test_an_earlier_stage_that_did_not_run(layout: Layout, missing: str, stage_to_run: str) -> None:
    (layout.data / missing).unlink()
    with pytest.raises(WorkspaceError, match=f"ganops {stage_to_run}"):
        train(layout, config_with(), "a", "code")
