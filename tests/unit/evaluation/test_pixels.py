from __future__ import annotations

import numpy as np
import pytest
import torch

from ganops.evaluation.pixels import LONGEST_SIDE, pixel_features


@pytest.mark.parametrize(
    ("shape", "width"),
    [
        ((1, 28, 28), 14 * 14),
        ((3, 32, 32), 3 * 16 * 16),
        ((1, 8, 8), 64),
        ((1, 256, 128), 16 * 8),
        ((3, 17, 9), 3 * 45),
    ],
)
def test_at_most_sixteen_pixels_a_side(shape: tuple[int, int, int], width: int) -> None:
    images_u8 = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    found = pixel_features(images_u8)
    assert found.shape == (5, width)
    assert found.dtype == np.float32
    assert (found >= 0).all()
    assert (found <= 1).all()
    np.testing.assert_array_equal(found, pixel_features(torch.from_numpy(images_u8)))


def test_is_the_mean_over_equal_areas() -> None:
    images_u8 = np.random.default_rng(0).integers(0, 256, (3, 1, 28, 28), dtype=np.uint8)
    expected = images_u8.reshape(3, 14, 2, 14, 2).mean((2, 4)).reshape(3, -1) / 255
    np.testing.assert_allclose(pixel_features(images_u8), expected, rtol=1e-6)


def test_batches_do_not_matter_and_none_is_none() -> None:
    images_u8 = np.random.default_rng(0).integers(0, 256, (1500, 1, 9, 9), dtype=np.uint8)
    np.testing.assert_array_equal(pixel_features(images_u8)[1400:], pixel_features(images_u8[1400:]))
    assert pixel_features(images_u8[:0]).shape == (0, 81)
    assert LONGEST_SIDE == 16
