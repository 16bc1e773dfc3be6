"""An extractor on a GPU sees what it sees on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganops.evaluation.extractors import Card, Extractor
from ganops.evaluation.extractors.inception import InceptionNetwork
from ganops.evaluation.extractors.network import Backbone, ClassifierNetwork, ExtractorNetwork, Projection

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def extractor(kind: str) -> Extractor:
    torch.manual_seed(0)
    if kind == "inception":
        network: Backbone = InceptionNetwork("2048")
        card = Card("inception", None, 2048, 2048, (), None, "", 0, projected=False, tap="2048")
        return Extractor(ExtractorNetwork(network).eval(), card, "0" * 64)
    network = ClassifierNetwork((3, 32, 32), 64, 10)
    card = Card("classifier", (3, 32, 32), 64, 16, tuple("abcdefghij"), None, "", 0)
    return Extractor(ExtractorNetwork(network, Projection(64, 16)).eval(), card, "0" * 64)


@pytest.mark.parametrize("kind", ["classifier", "inception"])
def test_the_same_features_to_float32(kind: str) -> None:
    images_u8 = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8)
    there, here = extractor(kind).to("cuda"), extractor(kind)
    features, probabilities = there.observe_on(images_u8.cuda())
    assert features.device.type == probabilities.device.type == "cuda"
    expected = here.observe(images_u8)
    scale = np.abs(expected.features).max()
    assert np.abs(features.cpu().numpy() - expected.features).max() <= 1e-4 * scale
    np.testing.assert_allclose(probabilities.cpu().numpy(), expected.probabilities, atol=1e-4)
