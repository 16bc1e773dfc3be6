from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganops.evaluation.sharded import Rows, Sampling, looked_at, sample_on
from ganops.models import ModelSpec, build_generator
from ganops.models.sampling import generate

SPEC = ModelSpec("lite", (1, 8, 8), z_dim=4, width=4, class_shares=(0.5, 0.5))


@pytest.mark.parametrize("num_images", [1, 9, 10, 11, 95, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_image_is_in_one_batch_of_one_process(num_images: int, count: int) -> None:
    sampling = Sampling(num_images, seed=0, batch_size=10)
    shares = [sampling.batches_of(rank, count) for rank in range(count)]
    batches = [batch for share in shares for batch in share]
    assert [(batch.start, batch.stop) for batch in batches] == [
        (start, min(start + 10, num_images)) for start in range(0, num_images, 10)
    ]
    sizes = [len(share) for share in shares]
    assert sizes[0] >= 1 and max(sizes) - min(sizes) <= 1


def test_the_rows_are_those_of_the_images_in_their_order() -> None:
    generator = build_generator(SPEC, 1).train()
    modes, notes = [], []

    def look(images_u8: Tensor) -> Rows:
        modes.append(generator.training)
        assert images_u8.dtype == torch.uint8 and len(images_u8) <= 4
        return {"pixels": images_u8.flatten(1), "sum": images_u8.sum((1, 2, 3))}

    rows = sample_on(generator, look, Sampling(10, seed=5, batch_size=4), progress=lambda *note: notes.append(note[:2]))
    assert rows is not None
    expected = torch.cat(list(generate(generator, 10, 5, 4)))
    assert torch.equal(rows["pixels"], expected.flatten(1)) and torch.equal(rows["sum"], expected.sum((1, 2, 3)))
    assert rows["sum"].dtype == torch.int64
    assert modes == [False] * 3 and generator.training
    assert notes == [(4, 10), (8, 10), (10, 10)]


def test_only_one_batch_is_made_before_it_is_looked_at() -> None:
    seen: list[int] = []
    batches = looked_at(
        build_generator(SPEC), lambda images: seen.append(len(images)) or {}, Sampling(40, 0, batch_size=4)
    )
    next(batches)
    next(batches)
    assert seen == [4, 4]
