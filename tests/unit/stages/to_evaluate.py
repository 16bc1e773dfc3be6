"""A workspace whose candidate `a` can be evaluated, of noise and untrained networks: for tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch

from ganops.data.prepared import write_dataset
from ganops.data.split import Split
from ganops.evaluation.extractors import Card, save_extractor
from ganops.evaluation.extractors.network import ClassifierNetwork, ExtractorNetwork, Projection
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.reference import METRIC_VERSION, array_digests, reference_hash
from ganops.files import write_json
from ganops.layout import Layout
from ganops.models import ModelSpec, build_generator, save_snapshot

SPEC = ModelSpec("lite", (1, 8, 8), z_dim=8, width=4)


def workspace_to_evaluate(folder: Path) -> Layout:
    """An untrained extractor, random images, a reference without `test`, and an untrained generator."""
    layout, random = Layout(folder), np.random.default_rng(0)
    torch.manual_seed(0)
    network = ExtractorNetwork(ClassifierNetwork((1, 8, 8), 16, 3), Projection(16, 8)).eval()
    card = Card("classifier", (1, 8, 8), 16, 8, ("x", "y", "z"), 0.9, "p@1", 0)
    extractor = save_extractor(layout.reference / "extractor", network, card)
    for name, count in (("train", 200), ("select", 120)):
        folder = layout.reference / name
        folder.mkdir()
        images_u8 = random.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
        seen = extractor.observe(images_u8)
        np.save(folder / "pixels.npy", pixel_features(images_u8))
        np.save(folder / "features.npy", seen.features)
        np.save(folder / "classes.npy", seen.classes)
        np.save(folder / "ids.npy", random.integers(0, 256, (count, 32), dtype=np.uint8))
        _prepare(layout, name, images_u8)
    _prepare(layout, "test", images_u8[:0])
    counts: dict[Split, int] = {"train": 200, "select": 120, "test": 0}
    write_dataset(layout.prepared, (1, 8, 8), ["x", "y", "z"], counts, {}, "p@1")
    facts = {
        "format": 2,
        "metric_version": METRIC_VERSION,
        "extractor": {"kind": "classifier", "sha256": extractor.sha256, "dim": 8, "accuracy": 0.9},
        "classes": ["x", "y", "z"],
        "preprocessing": "p@1",
        "splits": {
            "train": {"count": 200, "sha256": array_digests(layout.reference / "train")},
            "select": {
                "count": 120,
                "hash": reference_hash(extractor.sha256, "i"),
                "sha256": array_digests(layout.reference / "select"),
            },
        },
    }
    write_json(layout.reference / "reference.json", facts)
    save(layout, "a", SPEC)
    return layout


def _prepare(layout: Layout, split: str, images_u8: np.ndarray) -> None:
    folder = layout.prepared / split
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", images_u8)
    np.save(folder / "labels.npy", np.zeros(len(images_u8), np.int64))
    np.save(folder / "ids.npy", np.zeros((len(images_u8), 32), np.uint8))


def save(layout: Layout, name: str, spec: ModelSpec) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([1, 2, 3], np.uint64))
    files = {"training_images.npy": buffer.getvalue()}
    save_snapshot(layout.snapshot(name), build_generator(spec), spec, {"preprocessing": "p@1"}, files)
