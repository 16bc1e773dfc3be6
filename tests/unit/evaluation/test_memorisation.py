from __future__ import annotations

import math

import numpy as np

from ganops.evaluation.memorisation import memorisation


def test_a_copier_is_found_and_a_share_of_copies_in_proportion() -> None:
    random = np.random.default_rng(0)
    train, held_out, honest = (random.normal(size=(200, 6)) for _ in range(3))
    copies = train + 1e-3 * random.normal(size=train.shape)
    all_copied = memorisation(copies, train, held_out).measurement
    half_copied = memorisation(np.concatenate([copies[:100], honest[:100]]), train, held_out).measurement
    assert all_copied.value > 0.4
    assert all_copied.value > 3 * all_copied.standard_error
    assert 0.1 < half_copied.value < all_copied.value


def test_an_extractor_that_knows_its_training_images_is_not_held_against_the_generator() -> None:
    """Training features lie nearer to everything (a narrower cloud): real images show it as well."""
    random = np.random.default_rng(1)
    train = random.normal(size=(300, 6)) * 0.7
    held_out, generated = random.normal(size=(300, 6)), random.normal(size=(600, 6))
    assert abs(memorisation(generated, train, held_out).value) < 0.06


def test_too_few_images_are_no_measurement() -> None:
    measured = memorisation(np.zeros((10, 2)), np.zeros((10, 2)), np.zeros((10, 2))).measurement
    assert math.isnan(measured.value)
    assert not measured.finite
