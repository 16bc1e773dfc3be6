from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import CONFIG, stripes

from ganops.errors import IncomparableReports, SnapshotError
from ganops.evaluation.extractors import (
    Extractor,
    Observed,
    fit_classifier,
    fit_pretext,
    load_extractor,
    save_extractor,
    training,
)
from ganops.files import sha256_bytes


@pytest.fixture(scope="module")
def made() -> dict[str, Extractor]:
    images, labels = stripes(300, (1, 8, 8))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training, "MIN_STEPS", 20)
        return {
            "classifier": fit_classifier(images, labels, ["rows", "columns"], CONFIG, dimensions=10),
            "pretext": fit_pretext(images, CONFIG),
        }


@pytest.fixture(params=["classifier", "pretext"])
def extractor(request: pytest.FixtureRequest, made: dict[str, Extractor]) -> Extractor:
    return made[request.param]


@pytest.fixture
def saved(tmp_path: Path, extractor: Extractor) -> Extractor:
    return save_extractor(tmp_path / "extractor", extractor.network, extractor.card)


def test_features_do_not_depend_on_the_batch_size(extractor: Extractor) -> None:
    images, _ = stripes(200, (1, 8, 8), seed=1)
    whole = extractor.observe(images)
    for size in (1, 7, 64):
        part = extractor.observe(torch.from_numpy(images), size)
        assert np.abs(part.features - whole.features).max() <= 1e-6 * np.abs(whole.features).max()
        np.testing.assert_allclose(part.probabilities, whole.probabilities, atol=1e-6)


def test_in_memory_and_on_disk_it_is_the_same(extractor: Extractor, saved: Extractor, tmp_path: Path) -> None:
    again = load_extractor(tmp_path / "extractor")
    images, _ = stripes(20, (1, 8, 8))
    assert again.sha256 == saved.sha256 == extractor.sha256
    assert again.card == saved.card == extractor.card
    np.testing.assert_array_equal(again.features(images), extractor.features(images))


def test_the_digest_covers_every_file(saved: Extractor, tmp_path: Path) -> None:
    card = tmp_path / "extractor" / "extractor.json"
    weights = tmp_path / "extractor" / "extractor.safetensors"
    assert saved.sha256 == sha256_bytes(card.read_bytes())
    assert json.loads(card.read_text())["files"] == {weights.name: sha256_bytes(weights.read_bytes())}
    assert {path.name for path in card.parent.iterdir()} == {card.name, weights.name}


def test_another_fact_is_another_extractor(extractor: Extractor) -> None:
    assert extractor.with_card(accuracy=0.5).sha256 != extractor.sha256
    assert extractor.with_card(accuracy=extractor.card.accuracy).sha256 == extractor.sha256


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("name", ["extractor.safetensors", "extractor.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_damage_is_found(tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / "extractor" / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-20])
    else:
        path.write_bytes(content.replace(b'"kind": "', b'"kind": "x')[:-1] + b" ")
    with pytest.raises(SnapshotError, match=r"extractor.*ganops reference"):
        load_extractor(tmp_path / "extractor")


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("name", ["extractor.safetensors", "extractor.json"])
def test_a_sparse_file_without_end_is_not_read(tmp_path: Path, name: str) -> None:
    os.truncate(tmp_path / "extractor" / name, 10 * 2**40)
    with pytest.raises(SnapshotError, match=rf"{name} cannot be read \(it has .*ganops reference"):
        load_extractor(tmp_path / "extractor")


@pytest.mark.parametrize(
    "changes", [{"format": 1}, {"width": 17}, {"kind": "inception"}, {"kind": "custom"}, {"tap": "65"}, {"classes": 3}]
)
def test_a_card_that_describes_something_else(
    made: dict[str, Extractor], tmp_path: Path, changes: dict[str, object]
) -> None:
    extractor, path = made["classifier"], tmp_path / "extractor" / "extractor.json"
    save_extractor(path.parent, extractor.network, extractor.card)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(SnapshotError, match="un `ganops reference`"):
        load_extractor(path.parent)


def test_images_of_another_shape_are_refused(extractor: Extractor) -> None:
    for shape in ((3, 1, 9, 8), (3, 3, 8, 8)):
        with pytest.raises(IncomparableReports, match="image shape"):
            extractor.features(np.zeros(shape, np.uint8))
    anywhere = Extractor(extractor.network, dataclasses.replace(extractor.card, image_shape=None), extractor.sha256)
    with pytest.raises(IncomparableReports, match="1 or 3 channels"):
        anywhere.features(np.zeros((3, 2, 8, 8), np.uint8))


def test_a_batch_can_stay_on_its_device(extractor: Extractor) -> None:
    images, _ = stripes(30, (1, 8, 8))
    moved = extractor.to("cpu")
    features, probabilities = moved.observe_on(torch.from_numpy(images))
    seen = extractor.observe(images)
    np.testing.assert_array_equal(features.numpy(), seen.features)
    np.testing.assert_array_equal(probabilities.numpy(), seen.probabilities)
    assert moved.sha256 == extractor.sha256


def test_without_classes_every_image_is_of_class_0() -> None:
    assert Observed(np.zeros((3, 2), np.float32), np.zeros((3, 0), np.float32)).classes.tolist() == [0, 0, 0]
