from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_onnx import (
    constant,
    mean_colour,
    message,
    model,
    node,
    not_a_number,
    number,
    tensor,
    with_external_data,
)

from ganops.config import PreprocessingConfig
from ganops.errors import DamagedFile, ExtractorError, SnapshotError, UserError
from ganops.evaluation.extractors import Extractor, custom, fitted, load_extractor, save_extractor
from ganops.evaluation.extractors.onnx_file import check_whole
from ganops.evaluation.extractors.onnx_network import preprocessed
from ganops.files import sha256_bytes

runs = pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
SMALL = PreprocessingConfig(size=(8, 8))


def made(folder: Path, content: bytes, preprocessing: PreprocessingConfig = SMALL) -> Extractor:
    path = folder / "own.onnx"
    path.write_bytes(content)
    return custom(path, sha256_bytes(content), preprocessing)


def images(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


@runs
def test_runs_on_images_of_any_size_and_channels(tmp_path: Path) -> None:
    extractor = made(tmp_path, mean_colour(), PreprocessingConfig(size=(8, 8), mean=(0.5, 0.25, 0.0), std=(0.5,)))
    colour = images(5, 3, 8, 8)
    means = colour.mean((2, 3)) / 255
    np.testing.assert_allclose(extractor.features(colour), (means - [0.5, 0.25, 0.0]) / 0.5, rtol=1e-5, atol=1e-6)
    grey = extractor.features(images(4, 1, 16, 16))
    np.testing.assert_allclose(grey[:, 0] + 0.0, grey[:, 1] - 0.5, atol=1e-6)  # the same plane, other means
    assert extractor.card.repeats_grey(1) and not extractor.card.repeats_grey(3)
    assert extractor.score_name == f"fd_custom@{extractor.sha256[:8]}"


@runs
@pytest.mark.parametrize("batch", ["n", 4])
def test_does_not_depend_on_the_batch_size_even_where_the_model_fixes_it(tmp_path: Path, batch: int | str) -> None:
    extractor = made(tmp_path, mean_colour((batch, 3, 8, 8)))
    shown = images(11, 3, 12, 10)
    whole = extractor.features(shown)
    for size in (1, 3, 11):
        np.testing.assert_allclose(extractor.features(shown, size), whole, rtol=1e-6)


@runs
def test_saved_with_a_projection_and_a_head_it_comes_back_the_same(tmp_path: Path) -> None:
    shown = images(300, 3, 8, 8) // 2
    labels = np.arange(300) % 2
    shown[labels == 1, 0] += 100
    plain = made(tmp_path, mean_colour())
    extractor = fitted(plain, shown, dimensions=2, labels=labels, class_names=["dull", "red"])
    saved = save_extractor(tmp_path / "extractor", extractor.network, extractor.card)
    again = load_extractor(tmp_path / "extractor")
    assert saved.sha256 == again.sha256 == extractor.sha256 != plain.sha256
    assert again.card == extractor.card
    seen = again.observe(shown)
    np.testing.assert_array_equal(seen.features, extractor.features(shown))
    assert seen.features.shape == (300, 2)
    assert (seen.classes == labels).mean() > 0.95


@runs
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_network_is_found(tmp_path: Path, damage: str) -> None:
    extractor = made(tmp_path, mean_colour())
    save_extractor(tmp_path / "extractor", extractor.network, extractor.card)
    path = tmp_path / "extractor" / "extractor.onnx"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-3] if damage == "cut" else content[:-1] + b"\x0e")
    with pytest.raises(SnapshotError, match=r"extractor\.onnx"):
        load_extractor(tmp_path / "extractor")


@runs
def test_numbers_that_are_none_and_features_that_are_constant_are_refused(tmp_path: Path) -> None:
    shown = images(20, 3, 8, 8)
    with pytest.raises(ExtractorError, match="not finite numbers for 20 of 20 images"):
        made(tmp_path, not_a_number()).observe(shown)
    with pytest.raises(ExtractorError, match="same features for all of 20 images"):
        fitted(made(tmp_path, constant()), shown, dimensions=2)


@runs
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (mean_colour()[:-20], "cut short"),
        (b"\x08\x08", "cannot be used"),
        (mean_colour(("n", 1, 8, 8)), r"shape \(3, 8, 8\)"),
        (mean_colour(("n", 3, 9, 8)), r"shape \(3, 8, 8\)"),
        (model(node("Flatten", ["x"], "y"), shape=("n", 192), outputs=("n", 192)), "four dimensions"),
        (model(node("NoSuchOperator", ["x"], "y")), "NoSuchOperator"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_in_one_paragraph(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        made(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_another_or_missing(tmp_path: Path) -> None:
    (tmp_path / "own.onnx").write_bytes(mean_colour())
    with pytest.raises(DamagedFile, match=r"own\.onnx .*sha256"):
        custom(tmp_path / "own.onnx", "0" * 64, SMALL)
    with pytest.raises(UserError, match=r"There is no file .*none\.onnx.* Check the path"):
        custom(tmp_path / "none.onnx", "0" * 64, SMALL)
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(UserError, match=r"empty\.onnx.* is empty"):
        custom(tmp_path / "empty.onnx", None, SMALL)
    os.truncate(tmp_path / "empty.onnx", 2**31)  # takes no room on the disk
    with pytest.raises(UserError, match=r"at most 2,147,483,647 are read"):
        custom(tmp_path / "empty.onnx", None, SMALL)


@pytest.mark.parametrize("content", [b"<html>", mean_colour()[:-1], with_external_data("weights.bin")])
def test_a_refusal_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"The ONNX file .*own\.onnx cannot be used: "):
        custom(tmp_path / "own.onnx", None, SMALL)


def test_without_onnxruntime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"ganops\[onnx\]"):
        made(tmp_path, mean_colour())


@pytest.mark.parametrize("location", ["weights.bin", "../../secret", "/etc/passwd", "*/_ORT_MEM_ADDR_/*"])
def test_a_model_that_reads_other_files_is_refused_before_it_runs(tmp_path: Path, location: str) -> None:
    with pytest.raises(UserError, match="other files"):
        made(tmp_path, with_external_data(location))


def test_other_files_are_found_wherever_a_tensor_can_be() -> None:
    outside = message(5, message(8, b"t"), number(14, 1))[2:]  # a tensor's fields alone
    attribute = message(5, message(1, b"value"), message(5, outside))
    hidden = [
        model(node("Constant", [], "y", attribute)),
        model(node("If", ["x"], "y", message(5, message(6, node("Constant", [], "z", attribute))))),
        model(message(15, message(1, outside))),
        model() + message(25, node("Constant", [], "y", attribute).replace(b"\x0a", b"\x3a", 1)),
        model() + message(20, message(1, message(5, outside))),
        model(node("Constant", [], "y", message(5, message(10, outside)))),
        model(message(5, message(8, b"t"), message(13, message(1, b"location")))),
    ]
    for content in hidden:
        with pytest.raises(UserError, match="other files"):
            check_whole(content)
    with pytest.raises(UserError, match="compiled"):
        check_whole(model(node("EPContext", ["x"], "y")))


def test_what_is_whole_passes_and_what_is_no_model_does_not() -> None:
    check_whole(mean_colour())
    check_whole(constant())
    check_whole(model(tensor("t", [1.0, 2.0])))
    for content in (b"\xff" * 40, b"<html>", mean_colour()[:-1], b"\x0b\x0c"):
        with pytest.raises(UserError, match="no ONNX model"):
            check_whole(content)


def test_preprocessing_is_as_declared() -> None:
    red = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    red[:, 0] = 255
    grey = preprocessed(red, PreprocessingConfig(size=(8, 8), channels=1, range=(-1.0, 1.0)))
    assert grey.shape == (2, 1, 8, 8)
    torch.testing.assert_close(grey, torch.full_like(grey, 2 * 0.299 - 1))
    last = preprocessed(red, PreprocessingConfig(size=(10, 16), layout="NHWC", range=(0.0, 255.0), std=(2.0,)))
    assert last.shape == (2, 10, 16, 3) and last.is_contiguous()
    torch.testing.assert_close(last[..., 0], torch.full((2, 10, 16), 127.5))
