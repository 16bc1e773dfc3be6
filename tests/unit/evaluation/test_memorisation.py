from __future__ import annotations

import math

import numpy as np
import pytest

from ganops.evaluation.memorisation import OFFENDERS, copies, memorisation


def _sets(seed: int, *counts: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=(count, 6)) for count in counts]


def test_a_copier_is_found_and_a_share_of_copies_in_proportion() -> None:
    train, held_out, honest = _sets(0, 200, 200, 200)
    near_train = train + 1e-3 * np.random.default_rng(1).normal(size=train.shape)
    all_copied = memorisation(near_train, train, held_out).measurement
    half_copied = memorisation(np.concatenate([near_train[:100], honest[:100]]), train, held_out).measurement
    assert all_copied.value > 0.15  # of 0.25: one half of the images is held against either half of the copies
    assert all_copied.value > 3 * all_copied.standard_error
    assert 0.05 < half_copied.value < all_copied.value


def test_training_images_that_are_nearer_to_everything_are_not_held_against_the_generator() -> None:
    """A narrower cloud of training images: real images in the generated ones' place show it as well."""
    train, held_out, generated = _sets(1, 300, 300, 600)
    assert abs(memorisation(generated, train * 0.7, held_out).value) < 0.06


def test_too_few_images_are_no_measurement() -> None:
    few = np.zeros((10, 2))
    for measured in (memorisation(few, few, few).measurement, copies(few, few, few).share.measurement):
        assert math.isnan(measured.value)
        assert not measured.finite


def test_a_few_copies_are_counted_and_named() -> None:
    train, held_out, generated = _sets(2, 4000, 4000, 2000)
    generated[[3, 500, 999]] = train[[17, 2000, 5]]
    generated[20:57] = train[100:137]
    found = copies(generated, train, held_out)
    measured = found.share.measurement
    assert measured.value == pytest.approx(0.02, abs=0.008)
    assert measured.low > 0
    assert len(found.offenders) == OFFENDERS
    copied = {3: 17, 500: 2000, 999: 5} | dict(zip(range(20, 57), range(100, 137), strict=True))
    for offender in found.offenders:
        assert copied[offender.generated] == offender.train
        assert offender.nearness == pytest.approx(0, abs=1e-9)


def test_held_out_images_that_are_training_images_too_accuse_nobody() -> None:
    train, held_out, generated = _sets(3, 500, 400, 400)
    held_out[:] = train[:400]
    generated[:100] = train[:100]
    measured = copies(generated, train, held_out).share.measurement
    assert measured.value < 2 * measured.standard_error
