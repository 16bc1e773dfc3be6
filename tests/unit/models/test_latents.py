from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganops.models import latents


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
