from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_onnx import mean_colour

from ganops.config import Config, parse
from ganops.data.prepared import write_dataset
from ganops.data.split import Split
from ganops.errors import ConfigError, DamagedFile, ExtractorError, TooFewImages, UserError
from ganops.evaluation.extractors import load_extractor, training
from ganops.evaluation.reference import METRIC_VERSION, select_reference, test_reference
from ganops.files import sha256_bytes, sha256_file
from ganops.layout import Layout
from ganops.stages.reference import dimensions_for, reference

COUNTS: dict[Split, int] = {"train": 200, "select": 120, "test": 90}


def _config(**settings: object) -> Config:
    section = {"features": 16, "batch_size": 32, "epochs": 1, **settings}
    return parse({"reference": section, "candidates": {"a": {"family": "lite", "objective": "non_saturating"}}})


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Prepared images of two classes: dark and bright ones."""
    monkeypatch.setattr(training, "MIN_STEPS", 40)
    return prepared(Layout(tmp_path))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """The same with their reference; to be copied."""
    layout = prepared(Layout(tmp_path_factory.mktemp("made")))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training, "MIN_STEPS", 40)
        reference(layout, _config())
    return layout


@pytest.fixture
def made(made_once: Layout, tmp_path: Path) -> Layout:
    """A workspace with a reference, to change."""
    shutil.copytree(made_once.root, tmp_path / "made")
    return Layout(tmp_path / "made")


def prepared(layout: Layout) -> Layout:
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


def test_select_can_be_read_where_test_is_not(made: Layout) -> None:
    (made.reference / "test" / "features.npy").unlink()
    assert len(select_reference(made.reference).features) == COUNTS["select"]
    with pytest.raises(UserError, match="ganops reference"):
        test_reference(made.reference)


def test_with_labels_it_is_a_classifier_and_says_why(layout: Layout) -> None:
    report = reference(layout, _config())
    assert report.extractor == "classifier"
    assert report.sentence.startswith(
        f"classifier@{report.extractor_sha256[:8]}, since every image has one of 2 labels"
    )
    assert "held-out images right (2 classes); 9 features" in report.sentence


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (np.full(COUNTS["train"], -1), "since the images have no labels"),
        (np.arange(COUNTS["train"]) % 3 - 1, "since 67 of 200 training images have no label"),
        (np.zeros(COUNTS["train"], np.int64), "since all images have the label 'dark'"),
    ],
)
def test_without_labels_it_learns_a_pretext_and_says_why(layout: Layout, labels: Any, why: str) -> None:
    relabel(layout, "train", labels)
    report = reference(layout, _config())
    assert (report.extractor, report.why) == ("pretext", why)
    assert "of held-out images right (finding an image again among 128)" in report.sentence
    sample = select_reference(layout.reference)
    assert sample.num_classes == 0 and not sample.classes.any()
    assert sample.features.shape == (120, 9)
    assert json.loads((layout.reference / "reference.json").read_text())["classes"] == []


def test_a_classifier_that_is_asked_for_needs_labels(layout: Layout) -> None:
    relabel(layout, "train", np.full(COUNTS["train"], -1))
    with pytest.raises(ConfigError, match=r"reference\.extractor.*no labels.*pretext.*subfolder for each class"):
        reference(layout, _config(extractor="classifier"))
    assert not layout.reference.exists()
    relabel(layout, "train", np.zeros(COUNTS["train"], np.int64))
    with pytest.raises(ConfigError, match=r"two or more classes.*'dark'"):
        reference(layout, _config(extractor="classifier"))


def test_images_that_are_all_alike_teach_nothing(layout: Layout) -> None:
    path = layout.prepared / "train" / "images.npy"
    np.save(
        path,
        np.full((COUNTS["train"], 1, 8, 8), 90, np.uint8)
        + np.arange(2, dtype=np.uint8).repeat(100)[:, None, None, None],
    )
    describe(layout)
    with pytest.raises(ExtractorError, match=r"pretext extractor.*learnt too little.*reference\.epochs"):
        reference(layout, _config(extractor="pretext"))


def test_a_pretext_can_be_asked_for_in_spite_of_labels(layout: Layout) -> None:
    report = reference(layout, _config(extractor="pretext"))
    assert (report.extractor, report.why) == ("pretext", "as configured")


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_a_custom_network_gets_a_projection_and_a_head_for_the_labels(layout: Layout) -> None:
    content = mean_colour()
    (layout.root / "own.onnx").write_bytes(content)
    settings = {"onnx": "own.onnx", "sha256": sha256_bytes(content), "preprocessing": {"size": [8, 8]}}
    report = reference(layout, _config(extractor="custom", custom=settings))
    assert (report.extractor, report.dim, report.why) == ("custom", 3, "as configured")
    assert report.accuracy is not None and report.accuracy > 0.9  # dark or bright: a mean tells
    facts = json.loads((layout.reference / "reference.json").read_text())
    assert facts["extractor"]["grey_repeated"] is True
    sample = select_reference(layout.reference)
    assert sample.num_classes == 2
    assert sample.train_features.astype(np.float64).var(0, ddof=1).sum() == pytest.approx(100, rel=1e-3)
    relabel(layout, "train", np.full(COUNTS["train"], -1))
    assert reference(layout, _config(extractor="custom", custom=settings)).accuracy is None
    assert select_reference(layout.reference).num_classes == 0


def test_a_file_that_is_not_the_published_weights_is_refused(layout: Layout) -> None:
    (layout.root / "weights.pth").write_bytes(b"something else")
    with pytest.raises(DamagedFile, match=r"weights\.pth is not the published"):
        reference(layout, _config(extractor="inception", inception={"weights": "weights.pth"}))
    assert not layout.reference.exists()


def test_a_custom_extractor_of_another_digest_is_refused(layout: Layout) -> None:
    (layout.root / "own.onnx").write_bytes(b"changed")
    with pytest.raises(DamagedFile, match=r"own\.onnx is not the custom extractor"):
        reference(layout, _config(extractor="custom", custom={"onnx": "own.onnx", "sha256": "0" * 64}))


def test_a_weak_judge_is_refused_and_nothing_written(layout: Layout) -> None:
    labels = np.load(layout.prepared / "select" / "labels.npy")
    relabel(layout, "select", np.random.default_rng(1).permutation(labels))
    with pytest.raises(ExtractorError, match=r"min_accuracy.*reference\.epochs"):
        reference(layout, _config(min_accuracy=0.9))
    assert not layout.reference.exists()


def test_too_few_held_out_images() -> None:
    assert dimensions_for(10_000) == 1000
    assert dimensions_for(85) == 8
    with pytest.raises(TooFewImages, match=r"79 images.*at least 80"):
        dimensions_for(79)


def test_nothing_prepared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ganops prepare"):
        reference(Layout(tmp_path), _config())


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"format": 2}'])
def test_a_damaged_reference_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "reference.json").write_bytes(content)
    with pytest.raises(UserError, match=r"reference.json is damaged.*(dvc checkout|ganops reference)"):
        select_reference(tmp_path)


@pytest.mark.parametrize("features", [np.zeros((120, 8), np.float32), np.zeros((120, 9), np.float32), np.ones(5)])
def test_damaged_features_are_named(made: Layout, features: Any) -> None:
    np.save(made.reference / "select" / "features.npy", features)
    with pytest.raises(UserError, match=r"select/features\.npy .*ganops reference"):
        select_reference(made.reference)


@pytest.mark.parametrize(
    "changed", ["select/features", "select/classes", "select/ids", "select/pixels", "train/features", "train/pixels"]
)
def test_arrays_are_bound_to_their_digests(made: Layout, changed: str) -> None:
    path = made.reference / f"{changed}.npy"
    array = np.load(path)
    np.save(path, array[::-1])
    with pytest.raises(DamagedFile, match=rf"{changed}\.npy is not the file .*`ganops reference` again"):
        select_reference(made.reference)
    np.save(path, array)
    assert len(select_reference(made.reference).features) == COUNTS["select"]


@pytest.mark.parametrize("stranger", [99, -1, 2])
def test_a_class_that_there_is_not_is_named(made: Layout, stranger: int) -> None:
    path = made.reference / "select" / "classes.npy"
    classes = np.load(path)
    classes[3] = stranger
    np.save(path, classes)
    with pytest.raises(DamagedFile, match=r"classes\.npy holds a class that is none of the 2"):
        select_reference(made.reference)


def _changed_facts(layout: Layout, change: Callable[[dict[str, Any]], object]) -> None:
    path = layout.reference / "reference.json"
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


@pytest.mark.parametrize("read", [select_reference, test_reference])
def test_a_reference_of_other_metrics_or_without_digests_is_refused(
    made: Layout, read: Callable[[Path], object]
) -> None:
    _changed_facts(made, lambda facts: facts.update(metric_version=1))
    with pytest.raises(UserError, match=rf"version 1 .* version {METRIC_VERSION}, .*`ganops reference` again"):
        read(made.reference)
    _changed_facts(made, lambda facts: facts.update(metric_version=METRIC_VERSION))
    read(made.reference)
    _changed_facts(made, lambda facts: facts["splits"]["train"].pop("sha256"))
    with pytest.raises(UserError, match=r"older GanOps .* no digests of its arrays: run `ganops reference` again"):
        read(made.reference)


def test_no_reference_yet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ganops reference"):
        select_reference(tmp_path)
