from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from gathering import SAMPLING, gathered, generator, look

from ganops.evaluation.frechet import FeatureStats, frechet_distance
from ganops.evaluation.sharded import sample_on
from ganops.evaluation.threads import one_thread
from ganops.models.sampling import generate


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_have_the_numbers_of_one(tmp_path: Path, processes: int) -> None:
    with one_thread():
        alone = sample_on(generator(), look, SAMPLING)
        assert alone is not None
        reference = FeatureStats.from_features(
            torch.cat([look(images)["features"] for images in generate(generator(), 100, seed=8)]).numpy()
        )
        together = gathered(tmp_path, processes, SAMPLING)
        assert together.keys() == alone.keys() == {"features", "classes"}
        for name, rows in alone.items():
            assert rows.dtype == together[name].dtype and torch.equal(rows, together[name]), name
        scores = [
            frechet_distance(FeatureStats.from_features(rows["features"].numpy()), reference)
            for rows in (alone, together)
        ]
    assert scores[0] == scores[1] > 0


def test_more_processes_than_batches(tmp_path: Path) -> None:
    few = dataclasses.replace(SAMPLING, num_images=20)
    with one_thread():
        alone = sample_on(generator(), look, few)
        assert alone is not None
        assert torch.equal(alone["features"], gathered(tmp_path, 3, few)["features"])
