from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganops.config import Config, parse
from ganops.data.prepared import load, write_dataset
from ganops.data.split import Split
from ganops.errors import ConfigError, IncomparableReports, SnapshotError, UnknownName, UserError
from ganops.evaluation.extractors import Card, save_extractor
from ganops.evaluation.extractors.network import ClassifierNetwork, ExtractorNetwork, Projection
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.reference import METRIC_VERSION, array_digests, reference_hash
from ganops.evaluation.report import EvaluationReport
from ganops.evaluation.threads import one_thread
from ganops.files import write_json
from ganops.layout import Layout
from ganops.models import ModelSpec, build_generator, generate, load_snapshot, save_snapshot
from ganops.stages.evaluate import evaluate, read_report, require_report

SPEC = ModelSpec("lite", (1, 8, 8), z_dim=8, width=4)
CANDIDATE = {"family": "lite", "objective": "non_saturating"}


def _config(num_images: int = 300) -> Config:
    return parse({"evaluate": {"num_images": num_images}, "candidates": {"a": CANDIDATE, "b": CANDIDATE}})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An untrained extractor, random images, a reference without `test`, and an untrained generator."""
    layout, random = Layout(tmp_path), np.random.default_rng(0)
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
    _save(layout, "a", SPEC)
    return layout


def _prepare(layout: Layout, split: str, images_u8: np.ndarray) -> None:
    folder = layout.prepared / split
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", images_u8)
    np.save(folder / "labels.npy", np.zeros(len(images_u8), np.int64))
    np.save(folder / "ids.npy", np.zeros((len(images_u8), 32), np.uint8))


def _save(layout: Layout, name: str, spec: ModelSpec) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([1, 2, 3], np.uint64))
    files = {"training_images.npy": buffer.getvalue()}
    save_snapshot(layout.snapshot(name), build_generator(spec), spec, {"preprocessing": "p@1"}, files)


def test_report_with_its_whole_protocol_and_without_the_test_split(layout: Layout) -> None:
    assert not (layout.reference / "test").exists()
    report = evaluate(layout, _config(), "a")
    assert set(report.metrics) >= {"fd_star", "kid", "precision", "recall", "density", "coverage", "class_coverage"}
    assert all(measured.finite for measured in report.metrics.values())
    assert report.fd_star.low < report.fd_star.value < report.fd_star.high
    protocol = report.protocol
    assert (protocol.split, protocol.num_images, protocol.num_reference) == ("select", 300, 120)
    assert report.score_name == f"fd_classifier@{protocol.extractor_sha256[:8]}"
    assert set(protocol.libraries) == {"ganops", "torch", "numpy"}
    assert protocol.extractor_accuracy == 0.9
    assert (protocol.dtype, protocol.device, protocol.grey_repeated) == ("float32", "cpu", False)
    assert protocol.conventions["neighbours"] == 5
    assert np.load(layout.evaluate_dir("a") / "features.npy").shape == (300, 8)


def test_what_is_not_trained_is_said_to_be_that_and_what_is_damaged_is_not(layout: Layout) -> None:
    with pytest.raises(SnapshotError, match="b has not been trained: run `ganops train b`"):
        evaluate(layout, _config(), "b")
    (layout.snapshot("a") / "model.json").unlink()
    with pytest.raises(SnapshotError, match=r"lacks model\.json"):
        evaluate(layout, _config(), "a")


@pytest.mark.slow
def test_two_processes_write_what_one_writes(layout: Layout) -> None:
    notes: list[tuple[int, int]] = []
    one = evaluate(layout, _config(), "a")
    features = np.load(layout.evaluate_dir("a") / "features.npy")
    config = parse({"evaluate": {"num_images": 300, "processes": 2, "device": "cpu"}, "candidates": {"a": CANDIDATE}})
    two = evaluate(layout, config, "a", lambda done, total, note: notes.append((done, total)))
    assert two.to_json() == one.to_json()
    assert np.array_equal(np.load(layout.evaluate_dir("a") / "features.npy"), features)
    assert notes[-1] == (256, 256)  # of the first process's share: a batch


@pytest.mark.slow
def test_what_a_process_refuses_is_refused_as_by_one(layout: Layout) -> None:
    _save(layout, "a", ModelSpec("lite", (1, 9, 9), z_dim=8, width=4))
    for processes in (1, 2):
        config = parse({"evaluate": {"num_images": 300, "processes": processes}, "candidates": {"a": CANDIDATE}})
        with pytest.raises(IncomparableReports, match="image shape differs"):
            evaluate(layout, config, "a")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_the_users_mistake(layout: Layout) -> None:
    config = parse({"evaluate": {"num_images": 300, "device": "cuda"}, "candidates": {"a": CANDIDATE}})
    with pytest.raises(ConfigError, match=r"'evaluate.device' in params.yaml is 'cuda'"):
        evaluate(layout, config, "a")


def test_every_score_is_written_with_its_interval_and_every_class_with_its_shares(layout: Layout) -> None:
    evaluate(layout, _config(), "a")
    content = json.loads((layout.evaluate_dir("a") / "report.json").read_bytes())
    for name, score in content["metrics"].items():
        assert score["low"] <= score["value"] <= score["high"], name
        low, high = score["value"] - 1.96 * score["se"], score["value"] + 1.96 * score["se"]
        if name in ("precision", "recall", "coverage", "class_coverage"):
            low, high = max(low, 0.0), min(high, 1.0)  # a share is shown to be nothing else
        assert score["high"] - score["low"] == pytest.approx(high - low, rel=1e-3), name
    assert [row["class"] for row in content["classes"]] == ["x", "y", "z"]
    assert sum(row["made"]["value"] for row in content["classes"]) == pytest.approx(1)


def test_the_worst_offenders_are_drawn_beside_the_training_images_that_they_resemble(layout: Layout) -> None:
    report = evaluate(layout, _config(), "a")
    snapshot = load_snapshot(layout.snapshot("a"))
    made = torch.cat(list(generate(snapshot.generator, 300, 0)))
    train = load(layout.prepared).split("train").images_u8
    nearness = [offender.nearness for offender in report.offenders]
    assert nearness == sorted(nearness)
    for offender in report.offenders:
        distances = np.square(pixel_features(made[[offender.generated]]) - pixel_features(train)).sum(1)
        assert distances.argmin() == offender.train
    with Image.open(layout.evaluate_dir("a") / "nearest.png") as picture:
        assert picture.width > picture.height  # two rows of eight


def test_report_is_read_back_and_the_same_a_second_time(layout: Layout) -> None:
    report = evaluate(layout, _config(), "a")
    path = layout.evaluate_dir("a") / "report.json"
    first = path.read_bytes()
    with one_thread():
        evaluate(layout, _config(), "a")
    assert path.read_bytes() == first
    assert require_report(layout, "a") == report == EvaluationReport.from_json(json.loads(first))
    assert report.figures()["fd_star"] == report.fd_star.value


def test_no_report_and_a_damaged_one(layout: Layout) -> None:
    assert read_report(layout, "a") is None
    with pytest.raises(UserError, match="ganops evaluate a"):
        require_report(layout, "a")
    for damaged in ({"format": 1}, {"format": 3, "metrics": {}}, []):
        write_json(layout.evaluate_dir("a") / "report.json", damaged)
        with pytest.raises(UserError, match="damaged"):
            read_report(layout, "a")


def test_a_report_of_older_metrics_is_none(layout: Layout) -> None:
    metrics = {"fd_star": {"value": 1.0, "standard_error": 0.1}}
    old = {"format": 1, "candidate": "a", "snapshot_sha256": "0" * 64, "metrics": metrics, "plain_fd": 1.0}
    write_json(layout.evaluate_dir("a") / "report.json", old)
    assert read_report(layout, "a") is None
    with pytest.raises(UserError, match="ganops evaluate a"):
        require_report(layout, "a")


def test_clear_errors(layout: Layout) -> None:
    with pytest.raises(UnknownName, match="'c'"):
        evaluate(layout, _config(), "c")
    with pytest.raises(SnapshotError):
        evaluate(layout, _config(), "b")
    _save(layout, "b", ModelSpec("lite", (1, 9, 8), z_dim=8, width=4))
    with pytest.raises(IncomparableReports, match="image shape"):
        evaluate(layout, _config(), "b")
    (layout.snapshot("a") / "training_images.npy").unlink()
    with pytest.raises(SnapshotError, match=r"training_images\.npy"):
        evaluate(layout, _config(), "a")
    assert not layout.evaluate_dir("a").exists()
    shutil.rmtree(layout.reference)
    with pytest.raises(UserError, match="ganops reference"):
        evaluate(layout, _config(), "a")
