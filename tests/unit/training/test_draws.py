from __future__ import annotations

import torch

from ganops.training.draws import torch_seed, uniforms


def test_a_row_depends_on_seed_stream_and_image_alone() -> None:
    whole = uniforms(3, 5, 100, 8, 7)
    assert torch.equal(uniforms(3, 5, 104, 4, 7), whole[4:])
    assert not torch.equal(uniforms(3, 6, 100, 8, 7), whole)
    assert not torch.equal(uniforms(4, 5, 100, 8, 7), whole)


def test_numbers_are_uniform() -> None:
    draws = uniforms(0, 4, 0, 20_000, 3)
    assert draws.dtype == torch.float32
    assert 0 <= draws.min() < 1e-3 and 1 - 1e-3 < draws.max() < 1
    torch.testing.assert_close(draws.mean(0), torch.full((3,), 0.5), atol=0.01, rtol=0)
    torch.testing.assert_close(draws.var(0), torch.full((3,), 1 / 12), atol=0.005, rtol=0)


def test_every_seed_that_can_be_configured_is_one_for_torch() -> None:
    seeds = {torch_seed(seed, stream, seen) for seed in (0, 1) for stream in (0, 3) for seen in (0, 64, 10**8)}
    assert len(seeds) == 12
    torch.Generator().manual_seed(torch_seed(2**31 - 1, 3, 10**8))
