from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganops.config import Config, parse
from ganops.data.prepared import write_dataset
from ganops.data.split import Split
from ganops.errors import ConfigError, ExtractorError, TooFewImages, UserError
from ganops.evaluation.extractors import load_extractor, training
from ganops.evaluation.reference import select_reference, test_reference
from ganops.files import sha256_file
from ganops.layout import Layout
from ganops.stages.reference import dimensions_for, reference

COUNTS: dict[Split, int] = {"train": 200, "select": 120, "test": 90}


def _config(**settings: object) -> Config:
    section = {"features": 16, "batch_size": 32, "epochs": 1, **settings}
    return parse({"reference": section, "candidates": {"a": {"family": "lite", "objective": "non_saturating"}}})


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Prepared images of two classes: dark and bright ones."""
    monkeypatch.setattr(training, "MIN_STEPS", 30)
    layout = Layout(tmp_path)
    random = np.random.default_rng(0)
    for name, count in COUNTS.items():
        folder = layout.prepared / name
        folder.mkdir(parents=True)
        labels = random.integers(0, 2, count)
        images = random.integers(0, 120, (count, 1, 8, 8)) + 120 * labels[:, None, None, None]
        np.save(folder / "images.npy", images.astype(np.uint8))
        np.save(folder / "labels.npy", labels)
        np.save(folder / "ids.npy", random.integers(0, 256, (count, 32), dtype=np.uint8))
    describe(layout)
    return layout


def describe(layout: Layout) -> None:
    write_dataset(layout.prepared, (1, 8, 8), ["dark", "bright"], COUNTS, {}, "p@1")


def relabel(layout: Layout, split: str, labels: Any) -> None:
    """As if they had been prepared so."""
    np.save(layout.prepared / split / "labels.npy", labels)
    describe(layout)


def test_writes_extractor_features_and_facts(layout: Layout) -> None:
    report = reference(layout, _config())
    assert report.accuracy > 0.95
    assert report.dim == 9  # 90 test images, ten for each dimension
    assert report.counts == COUNTS
    facts = json.loads((layout.reference / "reference.json").read_text())
    assert facts["extractor"]["sha256"] == load_extractor(layout.reference / "extractor").sha256
    assert facts["floor"] == report.floor < 20
    for split, sample in (("select", select_reference(layout.reference)), ("test", test_reference(layout.reference))):
        assert sample.split == split
        assert sample.features.shape == (COUNTS[split], 9)
        assert sample.train_features.shape == (200, 9)
        assert sample.hash == report.hashes[split]  # type: ignore[index]
        prepared_ids = np.load(layout.prepared / split / "ids.npy")
        np.testing.assert_array_equal(sample.ids, prepared_ids)


def test_the_same_inputs_give_the_same_bytes(layout: Layout) -> None:
    def digests() -> dict[str, str]:
        files = sorted(path for path in layout.reference.rglob("*") if path.is_file())
        return {str(path.relative_to(layout.reference)): sha256_file(path) for path in files}

    reference(layout, _config())
    first = digests()
    reference(layout, _config())
    assert digests() == first
    reference(layout, _config(seed=1))
    assert digests()["reference.json"] != first["reference.json"]


def test_select_can_be_read_where_test_is_not(layout: Layout) -> None:
    reference(layout, _config())
    (layout.reference / "test" / "features.npy").unlink()
    assert len(select_reference(layout.reference).features) == COUNTS["select"]
    with pytest.raises(UserError, match="ganops reference"):
        test_reference(layout.reference)


def test_unlabelled_images_are_a_matter_of_configuration(layout: Layout) -> None:
    relabel(layout, "train", np.full(COUNTS["train"], -1))
    with pytest.raises(ConfigError, match=r"reference\.extractor.*subfolder for each class.*new workspace"):
        reference(layout, _config())
    assert not layout.reference.exists()


def test_one_class_cannot_be_learnt(layout: Layout) -> None:
    relabel(layout, "train", np.zeros(COUNTS["train"], np.int64))
    with pytest.raises(ConfigError, match=r"two classes.*'dark'"):
        reference(layout, _config())


def test_a_weak_judge_is_refused_and_nothing_written(layout: Layout) -> None:
    labels = np.load(layout.prepared / "select" / "labels.npy")
    relabel(layout, "select", np.random.default_rng(1).permutation(labels))
    with pytest.raises(ExtractorError, match=r"min_accuracy.*reference\.epochs"):
        reference(layout, _config(min_accuracy=0.9))
    assert not layout.reference.exists()


def test_too_few_held_out_images() -> None:
    assert dimensions_for(10_000, 128) == 128
    assert dimensions_for(85, 128) == 8
    with pytest.raises(TooFewImages, match=r"79 images.*at least 80"):
        dimensions_for(79, 128)


def test_nothing_prepared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ganops prepare"):
        reference(Layout(tmp_path), _config())


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"format": 2}'])
def test_a_damaged_reference_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "reference.json").write_bytes(content)
    with pytest.raises(UserError, match=r"reference.json is damaged.*(dvc checkout|ganops reference)"):
        select_reference(tmp_path)


@pytest.mark.parametrize("features", [np.zeros((120, 8), np.float32), np.zeros((120, 9), np.float32), np.ones(5)])
def test_damaged_features_are_named(layout: Layout, features: Any) -> None:
    reference(layout, _config())
    np.save(layout.reference / "select" / "features.npy", features)
    with pytest.raises(UserError, match=r"select/features\.npy .*ganops reference"):
        select_reference(layout.reference)


def test_no_reference_yet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ganops reference"):
        select_reference(tmp_path)
