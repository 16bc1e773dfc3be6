"""Real images on their way to a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganops.training.batches import ShuffledBatches
from ganops.training.images import Prefetched, Resident

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def test_batches_read_ahead_are_those_of_the_copy() -> None:
    images_u8 = np.random.default_rng(0).integers(0, 256, (3000, 3, 32, 32), dtype=np.uint8)
    order, gpu = ShuffledBatches(len(images_u8), 256, seed=3), torch.device("cuda", 0)
    copied, ahead = Resident(images_u8, order, gpu), Prefetched(images_u8, order, gpu)
    for images_seen in (*range(0, 200 * 256, 256), 0, 256):  # as fast as it goes, and back
        assert torch.equal(ahead.at(images_seen), copied.at(images_seen)), images_seen
