from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ganops.evaluation.estimate import Estimate
from ganops.evaluation.subsampling import BLOCKS, PARTITIONS, block_figures


def _means(sets: Sequence[Tensor]) -> list[float]:
    return [float(sets[0].mean() - sets[1].mean()), float(sets[0].std())]


def _figures(random: np.random.Generator) -> tuple[list[float], list[float]]:
    sets = [torch.from_numpy(random.normal(size=(count, 1))) for count in (400, 150)]
    errors = [
        Estimate(0.0, np.empty(0), influences).measurement.standard_error for influences in block_figures(_means, sets)
    ]
    return _means(sets), errors


def test_standard_errors_of_means_and_spreads_are_those_of_repeats() -> None:
    found = [_figures(np.random.default_rng(seed)) for seed in range(200)]
    values, errors = np.array([value for value, _ in found]), np.array([error for _, error in found])
    np.testing.assert_allclose(errors.mean(0), values.std(0), rtol=0.15)


def test_shared_last_sets_are_cut_alike_whatever_stands_before_them() -> None:
    random = np.random.default_rng(0)
    shared = torch.from_numpy(random.normal(size=(100, 1)))
    seen: list[list[Tensor]] = [[], []]
    for number in (0, 1):
        own = torch.from_numpy(random.normal(size=(200, 1)))

        def figures(sets: Sequence[Tensor], kept: list[Tensor] = seen[number]) -> list[float]:
            kept.append(sets[-1])
            return [0.0]

        block_figures(figures, [own] * (number + 1) + [shared])
    assert len(seen[0]) == BLOCKS * PARTITIONS
    for one, other in zip(*seen, strict=True):
        assert torch.equal(one, other)


def test_blocks_of_a_partition_share_no_sample() -> None:
    seen: list[Tensor] = []

    def figures(sets: Sequence[Tensor]) -> list[float]:
        seen.append(sets[0])
        return [0.0]

    block_figures(figures, [torch.arange(40.0)[:, None]], blocks=4)
    for start in range(0, len(seen), 4):
        assert len(torch.cat(seen[start : start + 4]).unique()) == 40
