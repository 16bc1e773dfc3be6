from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganops.config import Config, parse
from ganops.data import stored
from ganops.data.prepared import write_dataset
from ganops.data.split import SPLITS
from ganops.errors import (
    ConfigError,
    DamagedFile,
    NoRoom,
    TrainingFailed,
    UnknownName,
    UserError,
    WorkspaceBusy,
    WorkspaceError,
)
from ganops.evaluation import reference as references
from ganops.evaluation.extractors.extractor import Sight
from ganops.files import sha256_file, write_json
from ganops.layout import Layout
from ganops.models import FAMILIES, load_snapshot
from ganops.stages import train as stage
from ganops.stages.sample import write_sample
from ganops.stages.train import train
from ganops.stages.train_lock import only_training
from ganops.stages.training_report import read_training_report
from ganops.training import captured, loop
from ganops.training.state import TrainingState

COUNT, SHAPE = 40, (1, 8, 8)


class _MeanPixels:
    """Stands for the pinned extractor: four means of an image."""

    dim = 4
    card = SimpleNamespace(image_shape=SHAPE)

    def features(self, images_u8: Any) -> np.ndarray[Any, Any]:
        images = np.asarray(images_u8).astype(np.float32).reshape(len(images_u8), 2, 4, 2, 4)
        return images.mean(axis=(2, 4)).reshape(len(images_u8), 4) / 255

    def see(self, images_u8: torch.Tensor) -> Sight:
        return Sight(torch.from_numpy(self.features(images_u8)), torch.empty(len(images_u8), 0))

    def to(self, device: torch.device) -> _MeanPixels:
        assert device.type == "cpu"
        return self


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A workspace after `prepare` and `reference`."""
    layout = Layout(tmp_path)
    random = np.random.default_rng(0)
    images_u8 = random.integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)
    ids = np.stack([np.frombuffer(hashlib.sha256(image.tobytes()).digest(), np.uint8) for image in images_u8])
    for split in SPLITS:
        folder = layout.prepared / split
        folder.mkdir(parents=True)
        np.save(folder / "images.npy", images_u8)
        np.save(folder / "labels.npy", np.arange(COUNT) % 2)
        np.save(folder / "ids.npy", ids)
    describe(layout)
    (layout.reference / "select").mkdir(parents=True)
    np.save(layout.reference / "select" / "features.npy", _MeanPixels().features(images_u8))
    describe_reference(layout)
    monkeypatch.setattr(stage, "load_extractor", lambda directory: _MeanPixels())
    return layout


def describe(layout: Layout) -> None:
    write_dataset(layout.prepared, SHAPE, ["odd", "even"], dict.fromkeys(SPLITS, COUNT), {}, "p1")


def describe_reference(layout: Layout) -> None:
    """As much of reference.json as a training reads."""
    split = {"sha256": references.array_digests(layout.reference / "select")}
    facts = {"format": references.FORMAT, "metric_version": references.METRIC_VERSION, "splits": {"select": split}}
    write_json(layout.reference / references.REFERENCE, facts)


def relabel(layout: Layout, labels: list[int]) -> None:
    """As if they had been prepared so."""
    np.save(layout.prepared / "train" / "labels.npy", np.array(labels))
    describe(layout)


def config_with(candidate_keys: dict[str, Any] | None = None, **train_keys: Any) -> Config:
    settings = {"batch_size": 8, "evaluate_every_kimg": 0.1, "checkpoint_every_kimg": 0.1, "evaluate_images": 100}
    return parse(
        {
            "seed": 3,
            "train": settings | {"device": "cpu", "precision": "float32"} | train_keys,
            "candidates": {
                "a": {"family": "dcgan", "objective": "non_saturating", "kimg": 0.2, "width": 4, "z_dim": 4}
                | (candidate_keys or {}),
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
    assert snapshot.info["data_sha256"] == sha256_file(layout.prepared / "train" / "images.npy")
    lines = [json.loads(line) for line in (layout.train_dir("a") / "stats.jsonl").read_text().splitlines()]
    assert lines[-1]["images_seen"] == report.images_seen == 200
    assert lines[-1]["best_fd"] == report.fd
    samples = sorted(path.name for path in (layout.train_dir("a") / "samples").iterdir())
    assert samples == ["000000000104.png", "000000000200.png", "final.png"]
    assert not any(layout.checkpoints.glob("*"))


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


@pytest.mark.parametrize(("family", "z_dim"), [("dcgan", 100), ("conv_flat", 64)])
def test_width_and_z_that_are_left_open_are_the_family_s(layout: Layout, family: str, z_dim: int) -> None:
    """As if they had been written out: the resolved numbers are in the snapshot and in the checkpoint's key."""
    keys = {"family": family, "kimg": 0.02, "width": None, "z_dim": None}
    left_open = train(layout, config_with(keys), "a", "code")
    snapshot = load_snapshot(layout.snapshot("a"))
    assert (snapshot.spec.width, snapshot.spec.z_dim) == (FAMILIES[family].default_width, z_dim)
    assert (snapshot.info["candidate"]["width"], snapshot.info["candidate"]["z_dim"]) == (64, z_dim)
    written_out = train(layout, config_with(keys | {"width": 64, "z_dim": z_dim}), "a", "code")
    assert written_out.snapshot_sha256 == left_open.snapshot_sha256


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
    with pytest.raises(ConfigError, match=r"train\.batch_size.* is 1.*'a' has batch norm.*lite"):
        train(layout, config_with(batch_size=1), "a", "code")
    with pytest.raises(ConfigError, match=r"train\.micro_batch.* is 2.*'a' has batch norm.*lite"):
        train(layout, config_with(micro_batch=2), "a", "code")


def test_a_size_that_a_family_cannot_do(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(FAMILIES["dcgan"], largest_pixels=63)
    monkeypatch.setitem(FAMILIES, "dcgan", small)
    with pytest.raises(ConfigError, match=r"'a' .*dcgan.*1-channel images of 8x8: it does .*63 pixels"):
        train(layout, config_with(), "a", "code")


def test_a_batch_of_one_without_batch_norm(layout: Layout) -> None:
    keys = {"family": "lite", "objective": "relativistic", "gamma": 0.1, "kimg": 0.02}
    assert train(layout, config_with(keys, batch_size=1), "a", "code").images_seen == 20


def test_a_conditional_candidate_learns_the_shares_of_the_classes(layout: Layout) -> None:
    relabel(layout, [0] * 30 + [1] * 10)
    train(layout, config_with({"conditional": True}), "a", "code")
    snapshot = load_snapshot(layout.snapshot("a"))
    assert snapshot.spec.class_shares == (0.75, 0.25)
    assert snapshot.classes == ("odd", "even")
    assert snapshot.generator.embedding is not None


def test_samples_of_a_conditional_candidate_are_a_row_for_each_class_while_it_trains_and_after(layout: Layout) -> None:
    train(layout, config_with({"conditional": True, "kimg": 0.1}), "a", "code")
    samples = layout.train_dir("a") / "samples"
    shown = [np.asarray(Image.open(samples / name)) for name in ("000000000104.png", "final.png")]
    assert np.array_equal(*shown)
    write_sample(samples / "expected.png", load_snapshot(layout.snapshot("a")), 0)
    assert np.array_equal(shown[0], np.asarray(Image.open(samples / "expected.png")))


@pytest.mark.parametrize(("labels", "without"), [([-1] * COUNT, 40), ([0] * (COUNT - 1) + [-1], 1)])
def test_a_conditional_candidate_needs_labels(layout: Layout, labels: list[int], without: int) -> None:
    relabel(layout, labels)
    with pytest.raises(ConfigError, match=rf"'a' .*conditional, but {without} of the 40 training images have no label"):
        train(layout, config_with({"conditional": True}), "a", "code")


@pytest.mark.parametrize(
    ("keys", "promotable"),
    [({}, True), ({"promotable": False}, False), ({"family": "mlp_gan"}, False), ({"family": "conv_flat"}, True)],
)
def test_a_snapshot_is_promotable_as_family_and_candidate_say(
    layout: Layout, keys: dict[str, Any], promotable: bool
) -> None:
    train(layout, config_with({"kimg": 0.02} | keys), "a", "code")
    assert load_snapshot(layout.snapshot("a")).info["promotable"] is promotable


def test_a_collapse_keeps_the_best_snapshot_and_records_why(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = captured.take_step

    def collapsing(state: TrainingState, *rest: Any) -> Any:
        means = honest(state, *rest)
        if state.images_seen >= 112:
            with torch.no_grad():
                for network in (state.generator, state.average.generator_ema):
                    next(network.parameters()).zero_()
        return means

    monkeypatch.setattr(captured, "take_step", collapsing)
    floor = {"diversity_floor": 1e-12, "grace": 0.0}
    report = train(layout, config_with({"kimg": 2.0}, guard=floor), "a", "code")
    lines = [json.loads(line) for line in (layout.train_dir("a") / "stats.jsonl").read_text().splitlines()]
    assert (report.images_seen, report.best_images_seen) == (304, 104)
    assert lines[-1]["event"] == "stopped"
    assert report.stopped == lines[-1]["reason"] == load_snapshot(layout.snapshot("a")).info["stopped"]
    assert "the generator collapsed" in report.stopped
    assert lines[-1]["diversity"] == 0.0


@pytest.mark.parametrize(
    ("missing", "stage_to_run"),
    [
        ("prepared/train/images.npy", "prepare"),
        ("prepared/train/labels.npy", "prepare"),
        ("prepared/dataset.json", "prepare"),
        ("reference/select/features.npy", "reference"),
    ],
)
def test_an_earlier_stage_that_did_not_run(layout: Layout, missing: str, stage_to_run: str) -> None:
    (layout.data / missing).unlink()
    with pytest.raises(UserError, match=rf"{missing}.*ganops {stage_to_run}"):
        train(layout, config_with(), "a", "code")


@pytest.mark.parametrize("name", ["images", "labels", "ids"])
def test_changed_or_damaged_data_is_refused_before_anything_is_trained(layout: Layout, name: str) -> None:
    path = layout.prepared / "train" / f"{name}.npy"
    np.save(path, np.zeros_like(np.load(path)))
    with pytest.raises(DamagedFile, match=rf"train/{name}\.npy .*run `ganops prepare`"):
        train(layout, config_with(), "a", "code")
    path.write_bytes(b"")
    with pytest.raises(DamagedFile, match=rf"train/{name}\.npy .*run `ganops prepare`"):
        train(layout, config_with(), "a", "code")
    assert not layout.train_dir("a").exists()


FEATURES = np.random.default_rng(0).normal(size=(COUNT, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "features",
    [
        np.repeat(FEATURES, 2, axis=1),
        np.ones_like(FEATURES),
        FEATURES * np.float32(np.nan),
        FEATURES[:1],
        FEATURES.astype(np.float64),
        FEATURES.ravel(),
        np.array([{}]),
    ],
)
def test_reference_features_that_judge_nothing(layout: Layout, features: Any) -> None:
    np.save(layout.reference / "select" / "features.npy", features)
    with pytest.raises(DamagedFile, match=r"select/features\.npy .*ganops reference"):
        train(layout, config_with(), "a", "code")
    assert not layout.train_dir("a").exists()


def test_reference_features_are_bound_to_their_digest(layout: Layout) -> None:
    path = layout.reference / "select" / "features.npy"
    np.save(path, np.load(path)[::-1])
    with pytest.raises(DamagedFile, match=r"select/features\.npy is not the file .*`ganops reference` again"):
        train(layout, config_with(), "a", "code")
    assert not layout.train_dir("a").exists()
    describe_reference(layout)
    train(layout, config_with(), "a", "code")


# ---------------------------------------------------------------- side by side, and over again


def two_alike(**train_keys: Any) -> Config:
    """Candidates that are the same in everything but their names."""
    config = config_with(**train_keys)
    return config.model_copy(update={"candidates": {"a": config.candidate("a"), "b": config.candidate("a")}})


def interrupted(layout: Layout, config: Config, candidate: str, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The checkpoints of a training that was stopped at its end."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stage, "save_snapshot", stop)
        train(layout, config, candidate, "code")
    return sorted((layout.checkpoints / candidate).glob("*/*.safetensors"))


def test_what_was_being_written_when_it_was_killed_is_removed_when_it_goes_on(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, newest = interrupted(layout, config_with(), "a", monkeypatch)
    unfinished = newest.with_name(f".{newest.name}.k_3x9zq1")
    unfinished.touch()
    with only_training(layout, "a"), pytest.raises(WorkspaceBusy):  # of whom it may be
        train(layout, config_with(), "a", "code")
    assert unfinished.exists()
    interrupted(layout, config_with(), "a", monkeypatch)
    assert not unfinished.exists()


def test_one_candidate_is_trained_by_one_process_at_a_time(layout: Layout) -> None:
    with only_training(layout, "a"):
        with pytest.raises(WorkspaceBusy, match=rf"'a' is already being trained \(process {os.getpid()}\)"):
            train(layout, two_alike(), "a", "code")
        assert not layout.train_dir("a").exists()
        assert train(layout, two_alike(), "b", "code").images_seen == 200
    assert train(layout, two_alike(), "a", "code").images_seen == 200


def test_twins_do_not_take_each_other_s_checkpoints(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    left = interrupted(layout, two_alike(), "a", monkeypatch)
    report = train(layout, two_alike(), "b", "code")
    assert report.resumed_at == 0 and not any("passed over" in note for note in report.notes)
    assert left and all(path.exists() for path in left)
    again = train(layout, two_alike(), "a", "code")
    assert again.resumed_at == 200 and again.generator_sha256 == report.generator_sha256
    assert not any(layout.checkpoints.iterdir())


def test_a_changed_configuration_begins_anew_says_so_and_leaves_nothing(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, newest = interrupted(layout, config_with(), "a", monkeypatch)
    report = train(layout, config_with({"generator_lr": 1e-4}), "a", "code")
    assert report.resumed_at == 0
    (note,) = [note for note in report.notes if "passed over" in note]
    assert str(newest) in note and f"another configuration (digest {newest.parent.name[:12]}" in note
    assert read_training_report(layout, "a") == report
    assert not any(layout.checkpoints.iterdir())


@pytest.mark.parametrize("name", ["samples", "snapshot"])
def test_a_file_where_a_folder_belongs_is_named_before_anything_is_trained(layout: Layout, name: str) -> None:
    path = layout.train_dir("a") / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(WorkspaceError, match=rf"train/{name} is in the way"):
        train(layout, config_with(), "a", "code")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["samples", "snapshot", "report.json"])
def test_what_is_in_the_way_is_named_before_anything_is_trained(layout: Layout, tmp_path: Path, name: str) -> None:
    elsewhere, path = tmp_path / "elsewhere", layout.train_dir("a") / name
    elsewhere.mkdir()
    path.parent.mkdir(parents=True)
    if name == "report.json":
        path.mkdir()
    else:
        path.symlink_to(elsewhere)
    with pytest.raises(WorkspaceError, match=rf"train/{name} is in the way"):
        train(layout, config_with(), "a", "code")
    assert list(path.parent.iterdir()) == [path] and not list(elsewhere.iterdir())


def test_a_reference_of_images_of_another_shape_is_found_before_anything_is_trained(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_MeanPixels, "card", SimpleNamespace(image_shape=(3, 9, 9)))
    with pytest.raises(UserError, match=r"made for images of \(3, 9, 9\).*`ganops reference`"):
        train(layout, config_with(), "a", "code")
    assert not (layout.train_dir("a") / "stats.jsonl").exists()


@pytest.mark.parametrize(
    ("function", "named"),
    [
        ("write_bytes", "stats.jsonl"),
        ("write_by_class", "000000000104.png"),
        ("save_snapshot", "train/snapshot"),
        ("write_sample", "final.png"),
    ],
)
def test_a_full_disk_names_the_file_and_what_to_do(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, function: str, named: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(stage, function, full)
    with pytest.raises(NoRoom, match=rf"{named} cannot be written \(File too large\)\. Make room") as raised:
        train(layout, config_with(), "a", "code")
    assert raised.value.exit_code == 1


def test_memory_that_is_short_is_not_taken_for_damage(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(stored.np, "load", short)
    with pytest.raises(NoRoom, match=r"train/images\.npy cannot be opened, for memory is short") as raised:
        train(layout, config_with(), "a", "code")
    assert "damaged" not in str(raised.value) and raised.value.exit_code == 1


def test_a_line_that_finds_no_room(layout: Layout) -> None:
    files = stage._Files(layout.train_dir("a"), [])
    files.begin([])
    (layout.train_dir("a") / "stats.jsonl").unlink()
    (layout.train_dir("a") / "stats.jsonl").symlink_to("/dev/full")
    with pytest.raises(NoRoom, match=r"stats\.jsonl cannot be written \(No space left"):
        files.line({"kimg": 1})


def test_networks_that_do_not_fit_in_memory(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def huge(*_: Any) -> TrainingState:
        torch.empty(2**60, dtype=torch.uint8)
        raise AssertionError

    monkeypatch.setattr(loop, "fresh_state", huge)
    with pytest.raises(ConfigError, match=r"'a' takes more memory than there is.*width, or train\.batch_size"):
        train(layout, config_with(), "a", "code")


def test_a_report_says_why_it_stopped_and_a_damaged_one_is_named(layout: Layout) -> None:
    report = dataclasses.replace(train(layout, config_with(), "a", "code"), stopped="it collapsed", notes=("set this",))
    assert report.remarks == ("stopped: it collapsed", "set this")
    assert read_training_report(layout, "b") is None
    (layout.train_dir("a") / "report.json").write_text('{"notes": []}')
    with pytest.raises(DamagedFile, match=r"report\.json is damaged.*ganops train a"):
        read_training_report(layout, "a")
