from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganops.models import class_labels, latents


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([2, 3, 7, 64]))
@settings(max_examples=40, deadline=None)
def test_a_vector_depends_on_its_index_alone(start: int, count: int, z_dim: int) -> None:
    whole = latents(3, 80, z_dim)
    assert torch.equal(latents(3, count, z_dim, start), whole[start : start + count])


def test_pinned_values() -> None:
    """The first numbers of the sequence: changing them would change every sample of every stored model."""
    expected = np.array(EXPECTED, dtype=np.float32)
    np.testing.assert_allclose(latents(0, 1, 4).numpy()[0], expected, rtol=1e-6)


EXPECTED = [0.1585338, 2.982879, -1.925692, -0.8249255]


def test_standard_normal() -> None:
    z = latents(1, 20_000, 6).double()
    assert z.mean().abs() < 0.01
    assert abs(z.std() - 1) < 0.01
    assert (torch.corrcoef(z.T) - torch.eye(6)).abs().max() < 0.03
    assert abs((z**4).mean() - 3) < 0.1


def test_seeds_and_streams_are_independent() -> None:
    first = latents(1, 5000, 2).flatten()
    for other in (latents(2, 5000, 2), latents(1, 5000, 2, stream=1)):
        assert abs(torch.corrcoef(torch.stack((first, other.flatten())))[0, 1]) < 0.05


SHARES = (0.6, 0.0, 0.1, 0.3)


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_label_depends_on_its_index_alone(start: int, count: int, stream: int) -> None:
    whole = class_labels(3, 80, SHARES, stream=stream)
    assert torch.equal(class_labels(3, count, SHARES, start, stream), whole[start : start + count])


def test_pinned_labels() -> None:
    """Changing them would change what stored conditional models are judged by."""
    labels = class_labels(0, 16, (0.25, 0.25, 0.5))
    assert labels.dtype == torch.int64
    assert labels.tolist() == [1, 2, 0, 2, 2, 1, 0, 0, 2, 0, 1, 2, 2, 0, 1, 2]


def test_labels_are_drawn_by_the_shares() -> None:
    counts = torch.bincount(class_labels(1, 20_000, SHARES), minlength=4) / 20_000
    assert counts.tolist() == pytest.approx(SHARES, abs=0.015)
    assert counts[1] == 0
    assert set(class_labels(0, 1000, (0.0, 1.0, 0.0)).tolist()) == {1}


def test_labels_tell_nothing_of_the_vectors() -> None:
    """Neither of their own stream nor of another, nor of another seed's labels."""
    label = class_labels(1, 20_000, (0.5, 0.5)).double()
    others = [latents(1, 20_000, 4, stream=stream)[:, column] for stream in (0, 1) for column in range(4)]
    others += [class_labels(2, 20_000, (0.5, 0.5)), class_labels(1, 20_000, (0.5, 0.5), stream=1)]
    for other in others:
        assert abs(torch.corrcoef(torch.stack((label, other.double())))[0, 1]) < 0.03
