from __future__ import annotations

from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor

from ganops.errors import ExtractorError, TooFewImages
from ganops.evaluation.extractors import Card, Extractor, accuracy_of, fitted
from ganops.evaluation.extractors.extractor import in_memory
from ganops.evaluation.extractors.network import Backbone, ExtractorNetwork


@final
class _Pixels(Backbone):
    """An image's first pixels, times `scale`."""

    scale: Tensor

    def __init__(self, width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, images_u8: Tensor) -> tuple[Tensor, Tensor]:
        features = images_u8.float().flatten(1)[:, : self.width] * self.scale
        return features, features[:, :0]


def extractor(width: int = 6, scale: float = 1.0) -> Extractor:
    card = Card("inception", None, width, width, (), None, "", 0, projected=False, tap="64")
    return in_memory(ExtractorNetwork(_Pixels(width, scale)), card)


def images(count: int = 400) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 4, 4), dtype=np.uint8)


def test_a_projection_keeps_the_leading_directions_and_scales_them() -> None:
    shown = images()
    shown[:, 0, 0, 2:] //= 8  # the third and fourth pixel hardly vary
    shown[:, 0, 1] //= 8
    projected = fitted(extractor(), shown, dimensions=2)
    features = projected.features(shown).astype(np.float64)
    assert np.cov(features.T).trace() == pytest.approx(100.0, rel=1e-4)
    of_pixels = np.corrcoef(np.c_[features, shown.reshape(400, -1)[:, :2]].T)[:2, 2:]
    assert np.linalg.svd(of_pixels)[1].min() > 0.95  # they span the first two pixels
    assert (projected.dim, projected.card.projected, projected.card.fitted_on) == (2, True, "train")
    assert projected.sha256 != extractor().sha256


def test_a_head_tells_the_datas_classes_and_is_calibrated() -> None:
    shown = images(3000)
    labels = (shown[:, 0, 0, :3].argmax(1)).astype(np.int64)
    headed = fitted(extractor(), shown, labels=labels, class_names=["a", "b", "c"])
    other = images(4000)[3000:]
    seen = headed.observe(other)
    right = seen.classes == other[:, 0, 0, :3].argmax(1)
    assert accuracy_of(headed, other, other[:, 0, 0, :3].argmax(1)) == right.mean() > 0.9
    assert abs(seen.probabilities.max(1).mean() - right.mean()) < 0.1
    np.testing.assert_allclose(seen.probabilities.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(seen.features, extractor().features(other))  # which it leaves alone
    assert headed.card.classes == ("a", "b", "c")


def test_what_was_seen_already_can_be_completed() -> None:
    plain, shown = extractor(), images()
    headed = fitted(plain, shown, dimensions=3, labels=np.arange(400) % 2, class_names=["a", "b"])
    whole, completed = headed.observe(shown), headed.completed(plain.observe(shown))
    np.testing.assert_allclose(completed.features, whole.features, atol=1e-6 * np.abs(whole.features).max())
    np.testing.assert_allclose(completed.probabilities, whole.probabilities, atol=1e-6)


def test_fitting_again_replaces_what_was_fitted() -> None:
    labels = np.arange(400) % 2
    once = fitted(extractor(), images(), dimensions=3, labels=labels, class_names=["a", "b"])
    again = fitted(once, images(), dimensions=3)
    assert again.card.classes == () and not again.card.head
    assert again.sha256 == fitted(extractor(), images(), dimensions=3).sha256


def test_accuracy_is_of_the_labelled_images() -> None:
    headed = fitted(extractor(), images(), labels=np.arange(400) % 2, class_names=["a", "b"])
    predicted = headed.observe(images(10)).classes
    labels = np.where(np.arange(10) < 4, predicted, -1)
    assert accuracy_of(headed, images(10), labels) == 1.0
    assert accuracy_of(headed, images(10), np.full(10, -1)) is None


def test_one_image_has_no_variance() -> None:
    with pytest.raises(TooFewImages, match="1 images"):
        fitted(extractor(), images(1), dimensions=2)


def test_constant_features_and_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ExtractorError, match="same features for all of 400 images"):
        fitted(extractor(scale=0.0), images(), dimensions=2)
    with pytest.raises(ExtractorError, match="not finite numbers for 400 of 400 images"):
        fitted(extractor(scale=float("nan")), images(), dimensions=2)
