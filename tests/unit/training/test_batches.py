from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganops.training.batches import ShuffledBatches


@given(st.integers(1, 30), st.data())
@settings(max_examples=30, deadline=None)
def test_every_image_once_per_epoch_whatever_the_batch(num_images: int, data: st.DataObject) -> None:
    batch_size = data.draw(st.integers(1, num_images))
    batches = ShuffledBatches(num_images, batch_size, seed=3)
    stream = torch.cat([batches.at(seen) for seen in range(0, num_images * batch_size, batch_size)])
    for epoch in stream.split(num_images):
        assert sorted(epoch.tolist()) == list(range(num_images))


def test_a_batch_depends_on_seed_and_position_alone() -> None:
    walked, jumped, other = (ShuffledBatches(50, 8, seed) for seed in (1, 1, 2))
    batches = [walked.at(seen) for seen in range(0, 400, 8)]
    assert torch.equal(jumped.at(392), batches[-1])
    assert not torch.equal(other.at(392), batches[-1])
    assert not torch.equal(walked.at(0), walked.at(50))
