"""Evaluating once more against a reference whose features are kept, beside looking at the reference again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from ganops.bench.evaluate_forward import noise, quick, random_network
from ganops.bench.rows import Row, in_turns, relative
from ganops.evaluation.extractors.inception import InceptionNetwork
from ganops.evaluation.frechet import frechet_distance_of

PART = "cache"
IMAGES = 64
_FEATURES = "features.npy"


def cache_rows(turns: int, images: int = IMAGES) -> Iterator[Row]:
    """The Fréchet distance of as many generated images as the reference has, from pixels, by the Inception network."""
    network = random_network().for_inference()
    generated, reference = noise(images, 256), noise(images, 160)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / _FEATURES
        np.save(kept, quick(network, reference).numpy(), allow_pickle=False)
        again, anew = in_turns(
            [partial(_again, network, generated, kept), partial(_anew, network, generated, reference)], turns
        )
    yield Row(
        PART,
        f"{images} generated images against {images} whose features are kept",
        "looking at these again",
        ours=again.seconds,
        theirs=anew.seconds,
        difference=relative(again.result, anew.result),
    )


def _again(network: InceptionNetwork, generated: Tensor, kept: Path) -> float:
    return frechet_distance_of(quick(network, generated).numpy(), np.load(kept, allow_pickle=False))


def _anew(network: InceptionNetwork, generated: Tensor, reference: Tensor) -> float:
    return frechet_distance_of(quick(network, generated).numpy(), quick(network, reference).numpy())
