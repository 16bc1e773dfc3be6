"""The Inception network whole, with 24 million weights drawn from a seed."""

from __future__ import annotations

import dataclasses
import io
import json
import urllib.error
import zlib
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganops.errors import DamagedFile, UserError
from ganops.evaluation.extractors import Card, Extractor, fitted, inception, published, save_extractor
from ganops.evaluation.extractors.inception import TAPS, Tap
from ganops.evaluation.extractors.network import ExtractorNetwork
from ganops.evaluation.extractors.published import network_of
from ganops.evaluation.threads import one_thread
from ganops.files import sha256_file

GOLDEN: dict[str, dict[str, dict[str, list[float]]]] = json.loads(
    (Path(__file__).parent / "inception_golden.json").read_text()
)
"""What torch-fidelity 0.4.0 computes with the recipe's weights and images: of each size and tap the first eight
features of the first image and the norm of each image's features."""
SEED = 20150512


def recipe() -> dict[str, Tensor]:
    """Weights under their published names, each from a seed of its name."""
    state = {}
    for name, value in published.without_numbers("2048").state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        random = np.random.RandomState((zlib.crc32(name.encode()) ^ SEED) & 0x7FFFFFFF)
        drawn, shape = random.randn(*value.shape), value.shape
        if len(shape) > 1:
            drawn *= np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith("running_var"):
            drawn = np.exp(0.1 * drawn)
        else:
            drawn = 0.1 * drawn + name.endswith("bn.weight")
        state[name] = torch.from_numpy(drawn.astype(np.float32))
    return state


def images(count: int, channels: int, height: int, width: int) -> Tensor:
    random = np.random.RandomState(SEED + count + channels + height + width)
    return torch.from_numpy(random.randint(0, 256, (count, channels, height, width)).astype(np.uint8))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return recipe()


def unverified(state: dict[str, Tensor], tap: Tap = "2048", **facts: Any) -> Extractor:
    """An extractor of any weights: not `fid`. Its digest is not taken, which would take most of the time."""
    network = network_of(state, tap)
    card = Card("inception", None, network.width, network.width, (), None, "", 0, projected=False, tap=tap, **facts)
    return Extractor(ExtractorNetwork(network), card, "5" * 64)


def test_the_published_parameters_have_these_names(state: dict[str, Tensor]) -> None:
    assert len(state) == 472
    assert state["fc.weight"].shape == (1008, 2048)
    assert state["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("size", list(GOLDEN))
def test_every_tap_is_what_torch_fidelity_computes(state: dict[str, Tensor], size: str, quick: bool) -> None:
    network = network_of(state, "logits")
    with torch.inference_mode():
        found = (network.for_inference() if quick else network).taps(images(*(int(side) for side in size.split("x"))))
    assert tuple(found) == TAPS == tuple(GOLDEN[size])
    for tap, expected in GOLDEN[size].items():
        features = found[tap].double().numpy()  # type: ignore[index]
        scale = np.abs(expected["first"]).max()
        np.testing.assert_allclose(features[0, :8], expected["first"], rtol=1e-4, atol=1e-5 * scale)
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), expected["norms"], rtol=1e-4)


def test_both_ways_of_storing_batch_norm_are_read(state: dict[str, Tensor]) -> None:
    counted = {**state, **{name[:-4] + "num_batches_tracked": torch.tensor(7) for name in state if "bn.bias" in name}}
    first, second = network_of(state, "64").state_dict(), network_of(counted, "64").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(RuntimeError, match=r"fc\.bias"):
        network_of({name: value for name, value in state.items() if name != "fc.bias"}, "64")


def test_grey_is_repeated_and_batches_do_not_matter(state: dict[str, Tensor]) -> None:
    extractor = unverified(state, "192")
    grey = images(3, 1, 20, 24)
    whole = extractor.observe(grey)
    assert extractor.card.repeats_grey(1) and not extractor.card.repeats_grey(3)
    np.testing.assert_allclose(extractor.features(grey.expand(-1, 3, -1, -1)), whole.features, rtol=1e-6, atol=1e-7)
    single = extractor.features(grey, 1)
    assert np.abs(single - whole.features).max() <= 1e-6 * np.abs(whole.features).max()
    assert whole.imagenet is None and whole.probabilities.shape == (3, 0)


def test_it_looks_by_a_faster_copy_and_keeps_the_numbers_of_its_digest(state: dict[str, Tensor]) -> None:
    extractor, looked_at = unverified(state, "64"), images(6, 3, 20, 24)
    before = {name: value.clone() for name, value in extractor.network.state_dict().items()}
    with torch.inference_mode():
        expected = extractor.network(looked_at).features.numpy()
    np.testing.assert_allclose(extractor.features(looked_at), expected, rtol=1e-4, atol=1e-6)
    after = extractor.network.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_the_features_are_nearly_the_same(state: dict[str, Tensor], dtype: torch.dtype) -> None:
    network, looked_at = network_of(state, "64"), images(2, 3, 20, 24)
    with torch.inference_mode():
        (expected, _), (found, _) = network(looked_at), network.for_inference(dtype)(looked_at)
    assert found.dtype == torch.float32
    off = ((found - expected).norm() / expected.norm()).item()
    assert 0 < off < 0.02


def test_the_numbers_do_not_depend_on_the_threads(state: dict[str, Tensor]) -> None:
    extractor, looked_at = unverified(state, "64"), images(5, 3, 20, 24)
    alone = extractor.features(looked_at, 2)
    torch.set_num_threads(3)
    try:
        assert np.array_equal(extractor.features(looked_at, 2), alone)
    finally:
        torch.set_num_threads(1)


def test_its_own_classes_come_with_the_features(state: dict[str, Tensor]) -> None:
    seen = unverified(state).observe(images(2, 3, 28, 28))
    assert seen.imagenet is not None and seen.imagenet.shape == (2, 1008)
    logits = GOLDEN["2x3x28x28"]["logits_unbiased"]["first"]
    ratios = np.log(seen.imagenet[0, :8] / seen.imagenet[0, 0])
    np.testing.assert_allclose(ratios, np.array(logits) - logits[0], atol=1e-4)
    assert not seen.classes.any()  # of the data, it knows none


def test_only_verified_weights_at_the_last_pool_and_nothing_after_make_a_fid(state: dict[str, Tensor]) -> None:
    verified = unverified(state, weights_sha256=published.SHA256)
    assert verified.score_name == "fid"
    others = [
        unverified(state),
        unverified(state, "768", weights_sha256=published.SHA256),
        unverified(state, weights_sha256="6726825d" + "0" * 56),
        Extractor(verified.network, dataclasses.replace(verified.card, projected=True), "5" * 64),
    ]
    assert [other.score_name for other in others] == ["fd_inception@55555555"] * 4


def test_saved_with_a_projection_it_comes_back(state: dict[str, Tensor], tmp_path: Path) -> None:
    shown = images(9, 3, 16, 16)
    extractor = fitted(unverified(state, "64"), shown.numpy(), dimensions=4)
    saved = save_extractor(tmp_path / "extractor", extractor.network, extractor.card)
    assert (saved.sha256, saved.card) == (extractor.sha256, extractor.card)
    np.testing.assert_array_equal(saved.features(shown), extractor.features(shown))
    assert saved.features(shown).shape == (9, 4)


class _Answer(io.BytesIO):
    headers = Message()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANOPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_downloads_once_checks_and_reads(
    cache: Path, state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(state, tmp_path / "there.pth")
    asked, told = [], []

    def answer(address: str, timeout: float) -> _Answer:
        asked.append(address)
        return _Answer((tmp_path / "there.pth").read_bytes())

    monkeypatch.setattr(published, "SHA256", sha256_file(tmp_path / "there.pth"))
    monkeypatch.setattr(urllib.request, "urlopen", answer)
    first = inception(progress=lambda done, total, note: told.append(done))
    assert published.cached() == cache / published.NAME
    assert asked == [published.ADDRESS]
    assert told and told == sorted(told)
    assert torch.equal(first.network.state_dict()["backbone.fc.bias"], state["fc.bias"])
    assert [path.name for path in cache.iterdir()] == [published.NAME]


def test_a_download_of_something_else_is_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, timeout: _Answer(b"<html>"))
    with pytest.raises(DamagedFile, match="not the published"):
        inception()
    assert list(cache.iterdir()) == []


def test_without_a_network_it_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: str, timeout: float) -> None:
        raise urllib.error.URLError(OSError(101, "Network is unreachable"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(
        UserError, match=r"cannot be downloaded \(Network is unreachable\).* another machine .*inception:FILE"
    ):
        inception()
