"""Real training processes, killed at twenty random moments: each resumes to the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import assert_kills_change_nothing

KILLS = 4


@pytest.mark.slow
def test_twenty_of_twenty_kills_resume_to_the_same_generator(tmp_path: Path) -> None:
    """Batch norm; R1 + R2 with instance noise; dropout; SGD; spectral norm with three discriminator steps."""
    recipes = ("dcgan", "lite", "dropout", "sgd", "spectral")
    resumed = [
        assert_kills_change_nothing(tmp_path / recipe, recipe, kimg=1.5, kills=KILLS, seed=seed)
        for seed, recipe in enumerate(recipes)
    ]
    assert sum(resumed) >= len(recipes)  # not all of them came before the first checkpoint
