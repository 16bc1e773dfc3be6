from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from pictures import CONFIG, stripes
from torch import nn

from ganops.config import ReferenceConfig
from ganops.errors import TooFewImages
from ganops.evaluation.extractors.training import MIN_STEPS, batches, divided, erased, fit, length, redundancy, shifted
from ganops.progress import silent


def test_what_is_held_out_is_a_matter_of_the_images_alone() -> None:
    images, _ = stripes(200, (1, 8, 8))
    learnt, held_out = divided(images)
    assert len(held_out) == 20
    assert sorted([*learnt, *held_out]) == list(range(200))
    order = np.random.default_rng(0).permutation(200)
    _, again = divided(images[order])
    assert {image.tobytes() for image in images[held_out]} == {image.tobytes() for image in images[order][again]}


def test_too_few_images_are_refused() -> None:
    with pytest.raises(TooFewImages, match=r"on 19 images.*at least 20"):
        divided(stripes(19, (1, 8, 8))[0])


def test_small_data_is_shown_longer() -> None:
    images = np.broadcast_to(np.zeros((), np.uint8), (64_000, 1, 8, 8))
    assert length(images, np.arange(10_000), CONFIG) == (32, MIN_STEPS)
    assert length(images, np.arange(64_000), CONFIG) == (32, 2000)
    assert length(images, np.arange(64_000), CONFIG, views=2) == (32, 1000)
    assert length(images, np.arange(20), CONFIG)[0] == 20


def test_a_step_of_large_images_fits_in_memory() -> None:
    settings = ReferenceConfig(batch_size=8192)
    images = np.broadcast_to(np.zeros((), np.uint8), (9000, 3, 256, 256))
    assert length(images, np.arange(9000), settings)[0] == 64
    assert length(images, np.arange(9000), settings, views=2)[0] == 32


def test_each_epoch_shows_all() -> None:
    shown = list(itertools.islice(batches(np.arange(5, 25), 10, 0), 4))
    for epoch in (shown[:2], shown[2:]):
        assert sorted(np.concatenate(epoch)) == list(range(5, 25))
    assert [list(rows) for rows in shown] == [sorted(rows) for rows in shown]


class _Weight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))


def test_ends_early_and_goes_back_to_the_best_weights() -> None:
    """The training loss pulls the weight up without end; held out, 0.05 is best."""
    network, steps = _Weight(), []
    fit(
        network,
        lambda rows: -network.value,
        lambda: (network.value.item() - 0.05) ** 2,
        batches(np.arange(8), 4, 0),
        400,
        lambda done, total, note: steps.append(done),
    )
    assert len(steps) < 300
    assert network.value.item() == pytest.approx(0.05, abs=0.05)
    assert not network.training


def test_to_the_end_where_it_still_gets_better() -> None:
    network, steps = _Weight(), []
    fit(
        network,
        lambda rows: -network.value,
        lambda: -network.value.item(),
        batches(np.arange(8), 4, 0),
        50,
        lambda done, total, note: steps.append(done),
    )
    assert len(steps) == 50
    assert network.value.item() > 0.05
    silent(0, 0, "")


def test_each_image_is_moved_by_itself_and_the_edge_repeated() -> None:
    torch.manual_seed(0)
    image = torch.arange(36.0).view(1, 1, 6, 6)
    moved = shifted(image.repeat(64, 1, 1, 1), 1)
    assert moved.shape == (64, 1, 6, 6)
    seen = {tuple(picture.flatten().tolist()) for picture in moved}
    assert len(seen) == 9  # one step in each direction, or none
    corner = next(picture for picture in moved if picture[0, 0, 0] == 7)
    np.testing.assert_array_equal(corner[0, -1], [31, 32, 33, 34, 35, 35])


def test_half_of_the_images_lose_a_square_to_their_mean_colour() -> None:
    torch.manual_seed(0)
    images = torch.rand(200, 3, 16, 16)
    result = erased(images, 0.5)
    changed = (result != images).any(1)
    sizes = changed.flatten(1).sum(1)
    assert 70 < (sizes > 0).sum() < 130
    assert sizes.max() <= 64 + 17  # eight pixels wide, or nine where it lies between
    means = images.mean((2, 3))[:, :, None, None].expand_as(images)
    torch.testing.assert_close(result.permute(0, 2, 3, 1)[changed], means.permute(0, 2, 3, 1)[changed])


def test_redundancy_is_of_different_features_and_not_of_their_scale() -> None:
    independent = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert redundancy(independent * torch.tensor([3.0, 0.1]) + 7).item() == pytest.approx(0.0, abs=1e-6)
    same = independent[:, :1] * torch.tensor([[1.0, -2.0, 5.0]])
    assert redundancy(same).item() == pytest.approx(2.0)  # each of three features with two others
