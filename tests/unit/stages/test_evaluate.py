from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from to_evaluate import save, workspace_to_evaluate

from ganops.config import Config, parse
from ganops.data.prepared import load
from ganops.errors import ConfigError, IncomparableReports, SnapshotError, UnknownName, UserError
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.report import EvaluationReport
from ganops.evaluation.threads import one_thread
from ganops.files import write_json
from ganops.layout import Layout
from ganops.models import ModelSpec, generate, load_snapshot
from ganops.stages.evaluate import evaluate
from ganops.stages.evaluated import read_report, require_report

CANDIDATE = {"family": "lite", "objective": "non_saturating"}


def _config(num_images: int = 300) -> Config:
    return parse({"evaluate": {"num_images": num_images}, "candidates": {"a": CANDIDATE, "b": CANDIDATE}})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return workspace_to_evaluate(tmp_path)


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
    save(layout, "b", ModelSpec("lite", (1, 9, 8), z_dim=8, width=4))
    with pytest.raises(IncomparableReports, match="image shape"):
        evaluate(layout, _config(), "b")
    (layout.snapshot("a") / "training_images.npy").unlink()
    with pytest.raises(SnapshotError, match=r"training_images\.npy"):
        evaluate(layout, _config(), "a")
    assert not layout.evaluate_dir("a").exists()
    shutil.rmtree(layout.reference)
    with pytest.raises(UserError, match="ganops reference"):
        evaluate(layout, _config(), "a")
