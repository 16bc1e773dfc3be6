"""Mostly black images, on which a generator that ends in a plain tanh may end all black."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ganops.bench.contestants import Contest, Engine
from ganops.config import CandidateConfig
from ganops.models import family_spec, generate
from ganops.training.precision import resolve_precision

CPU, KIMG = torch.device("cpu"), 10
SHARED = os.environ.get("GANOPS_SHARED")

pytestmark = pytest.mark.skipif(not SHARED, reason="GANOPS_SHARED is not set")


@pytest.fixture(scope="module")
def images_u8() -> np.ndarray:
    content = gzip.decompress((Path(str(SHARED)) / "data/fashion-mnist/train-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 1, 28, 28)


@pytest.mark.parametrize("seed", [2, 3])
def test_the_preset_does_not_end_all_black(images_u8: np.ndarray, seed: int) -> None:
    """Both seeds did, with a plain tanh: after 10 kimg their images did not depend on z any more."""
    candidate = CandidateConfig.model_validate({"preset": "28x28-grey-cpu"})
    spec = family_spec(candidate.family, (1, 28, 28), candidate.width, candidate.z_dim)
    contest = Contest(images_u8, spec, candidate, 64, CPU, seed, round(candidate.kimg * 1000))
    engine = Engine(contest, resolve_precision("auto", CPU))
    for _ in range(KIMG * 1000 // 64):
        engine.step()
    images = next(generate(engine.generator(), 128, 0, 128)).float() / 255
    assert images.std(0).mean() > 0.05  # 0.001 when it had died
