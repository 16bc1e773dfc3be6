"""Generating and looking on a GPU, beside the same on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganops.bench.evaluate_forward import noise, quick, random_network
from ganops.evaluation.extractors import Card
from ganops.evaluation.extractors.extractor import in_memory
from ganops.evaluation.extractors.network import ClassifierNetwork, ExtractorNetwork
from ganops.evaluation.sample import generated_stats, rows_of
from ganops.evaluation.sharded import Sampling
from ganops.models import ModelSpec, build_generator

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

SHAPE = (1, 16, 16)


def test_rows_and_statistics_are_those_of_the_cpu() -> None:
    torch.manual_seed(0)
    network = ExtractorNetwork(ClassifierNetwork(SHAPE, 16, 3))
    extractor = in_memory(network, Card("classifier", SHAPE, 16, 16, ("x", "y", "z"), 0.9, "p@1", 0, projected=False))
    generator, sampling = build_generator(ModelSpec("lite", SHAPE, z_dim=8, width=8), 1), Sampling(600, 3)
    here = rows_of(generator, extractor, sampling)
    expected = generated_stats(generator, extractor, 600, 3)
    there = rows_of(generator.cuda(), extractor.to("cuda"), sampling)
    assert here is not None and there is not None
    assert there["features"].is_cuda and there["classes"].is_cuda
    # a pixel may be rounded to the next level
    torch.testing.assert_close(there["features"].cpu(), here["features"], rtol=1e-3, atol=1e-2)
    found = generated_stats(generator, extractor.to("cuda"), 600, 3)
    np.testing.assert_allclose(found.mu, expected.mu, atol=1e-3)


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-4), (torch.float16, 3e-3), (torch.bfloat16, 2e-2)])
def test_inception_sees_the_same(dtype: torch.dtype, most: float) -> None:
    network, images = random_network(), noise(4, 256)
    expected = quick(network.for_inference(), images)
    found = quick(network.for_inference(dtype).cuda(), images.cuda()).cpu()
    assert ((found - expected).norm() / expected.norm()).item() < most
