from __future__ import annotations

import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tiny import SHARES, tiny_spec

from ganops.errors import SnapshotError
from ganops.files import sha256_bytes
from ganops.models import (
    FAMILIES,
    ModelSpec,
    Snapshot,
    build_generator,
    generate,
    latents,
    load_snapshot,
    save_snapshot,
)

SPEC = ModelSpec("dcgan", (1, 8, 9), z_dim=4, width=4)


@pytest.fixture
def saved(tmp_path: Path) -> Snapshot:
    generator = build_generator(SPEC).to(memory_format=torch.channels_last)
    return save_snapshot(tmp_path / "snapshot", generator, SPEC, {"seed": 1}, {"extra.npy": b"abc"})


def test_it_comes_back_the_same(saved: Snapshot, tmp_path: Path) -> None:
    loaded = load_snapshot(tmp_path / "snapshot")
    z = latents(0, 3, 4)
    assert torch.equal(build_generator(SPEC).eval()(z), loaded.generator(z))
    assert (loaded.spec, dict(loaded.info), loaded.sha256) == (SPEC, {"seed": 1}, saved.sha256)
    assert not loaded.generator.training


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shares", [(), SHARES])
def test_every_family_comes_back_the_same(family: str, shares: tuple[float, ...], tmp_path: Path) -> None:
    spec = tiny_spec(family, (3, 9, 8), class_shares=shares, spectral_norm=True)
    generator = build_generator(spec, 1)
    saved = save_snapshot(tmp_path / "snapshot", generator, spec, {})
    assert saved.spec == spec
    assert torch.equal(*(torch.cat(list(generate(each, 4, seed=2))) for each in (generator, saved.generator)))


def test_a_snapshot_from_before_there_were_classes_is_read(tmp_path: Path) -> None:
    save_snapshot(tmp_path / "snapshot", build_generator(SPEC), SPEC, {})
    path = tmp_path / "snapshot" / "model.json"
    model = json.loads(path.read_text())
    for key in ("class_shares", "spectral_norm"):
        del model["architecture"][key]
    path.write_text(json.dumps(model))
    assert load_snapshot(tmp_path / "snapshot").spec == SPEC


def test_the_same_content_has_the_same_digest(saved: Snapshot, tmp_path: Path) -> None:
    again = save_snapshot(tmp_path / "again", saved.generator, SPEC, {"seed": 1}, {"extra.npy": b"abc"})
    assert again.sha256 == saved.sha256


@pytest.mark.parametrize("name", ["generator.safetensors", "extra.npy"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
@pytest.mark.usefixtures("saved")
def test_damage_is_refused(tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / "snapshot" / name
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "truncate" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(SnapshotError, match=name):
        load_snapshot(tmp_path / "snapshot")


@pytest.mark.parametrize("name", ["model.json", "generator.safetensors", "extra.npy"])
@pytest.mark.usefixtures("saved")
def test_a_sparse_file_without_end_is_not_read(tmp_path: Path, name: str) -> None:
    os.truncate(tmp_path / "snapshot" / name, 10 * 2**40)
    with pytest.raises(SnapshotError, match=rf"{name} cannot be read \(it has 10,995,116,277,760 bytes"):
        load_snapshot(tmp_path / "snapshot")


@pytest.mark.usefixtures("saved")
def test_weights_are_read_as_far_as_the_architecture_can_have_them(tmp_path: Path) -> None:
    path = tmp_path / "snapshot" / "generator.safetensors"
    os.truncate(path, path.stat().st_size + 2**20)
    with pytest.raises(SnapshotError, match=r"generator\.safetensors cannot be read \(it has"):
        load_snapshot(tmp_path / "snapshot")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"files": {}},
        {"files": {"../generator.safetensors": "0", "generator.safetensors": "0"}},
        {"architecture": {"family": "nope"}},
        {"architecture": {"family": "dcgan", "image_shape": [1, 8, 4000], "z_dim": 4, "width": 4}},
        {"architecture": {"family": "dcgan", "image_shape": [1, 8, 8], "z_dim": 5, "width": 4}},
        {"architecture": {"family": "conv_flat", "image_shape": [1, 8, 8], "z_dim": 5, "width": 4}},
        {"architecture": {"family": "dense_dcgan", "image_shape": [1, 256, 256], "z_dim": 5, "width": 4}},
        {"architecture": {**SPEC.to_json(), "class_shares": [0.5, 0.4]}},
        {"architecture": {**SPEC.to_json(), "class_shares": 3}},
        {"architecture": {**SPEC.to_json(), "width": math.inf}},
        {"architecture": {**SPEC.to_json(), "width": math.nan}},
        {"architecture": {**SPEC.to_json(), "z_dim": 10**30}},
        {"architecture": {**SPEC.to_json(), "z_dim": 10**12}},
    ],
)
@pytest.mark.usefixtures("saved")
def test_a_changed_model_json_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "snapshot" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SnapshotError):
        load_snapshot(tmp_path / "snapshot")


def test_a_snapshot_of_the_format_before_is_read_if_it_has_no_classes(saved: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "snapshot" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    assert load_snapshot(tmp_path / "snapshot").generator_sha256 == saved.generator_sha256


def test_a_conditional_snapshot_of_the_format_before_is_refused(tmp_path: Path) -> None:
    spec = replace(SPEC, class_shares=(0.5, 0.5))
    save_snapshot(tmp_path / "old", build_generator(spec), spec, {})
    path = tmp_path / "old" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(SnapshotError, match="format 2"):
        load_snapshot(tmp_path / "old")


@pytest.mark.parametrize("content", ["[" * 100_000, "", "3", "[]"])
@pytest.mark.usefixtures("saved")
def test_a_model_json_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "snapshot" / "model.json").write_text(content)
    with pytest.raises(SnapshotError, match=r"model\.json is damaged"):
        load_snapshot(tmp_path / "snapshot")


def test_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"model\.json"):
        load_snapshot(tmp_path)


def replaced(directory: Path, weights: dict[str, torch.Tensor]) -> None:
    """Put other weights in a snapshot, under the right digest."""
    content = safetensors.torch.save(weights)
    (directory / "generator.safetensors").write_bytes(content)
    model = json.loads((directory / "model.json").read_text())
    model["files"]["generator.safetensors"] = sha256_bytes(content)
    (directory / "model.json").write_text(json.dumps(model))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused_by_name(saved: Snapshot, tmp_path: Path, value: float) -> None:
    weights = dict(saved.generator.state_dict())
    spoilt = list(weights)[-1]
    weights[spoilt] = weights[spoilt].clone()
    weights[spoilt].view(-1)[0] = value
    replaced(tmp_path / "snapshot", weights)
    with pytest.raises(SnapshotError, match=rf"generator\.safetensors .*not finite \(in {re.escape(spoilt)}\)"):
        load_snapshot(tmp_path / "snapshot")


def test_weights_of_another_dtype_are_refused(saved: Snapshot, tmp_path: Path) -> None:
    replaced(tmp_path / "snapshot", {name: tensor.half() for name, tensor in saved.generator.state_dict().items()})
    with pytest.raises(SnapshotError, match=r"generator\.safetensors does not fit"):
        load_snapshot(tmp_path / "snapshot")
