"""`GANOPS_SHARED=DIR python -m benchmarks.copying`: how often the memorisation alarms are right.

On Fashion-MNIST: in each repeat training, held-out and `generated` images are drawn anew and apart from each other.
An honest generator is one whose images are real ones that it cannot have seen; a copier has 2 % training images in
their place. The table is in docs/evaluation-protocol.md.
"""

from __future__ import annotations

import gzip
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ganops.evaluation.estimate import Measurement
from ganops.evaluation.memorisation import copies, memorisation
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.reference import TRAIN_LIMIT
from ganops.evaluation.threads import one_thread

F32 = npt.NDArray[np.float32]
REPEATS, PLANTED_REPEATS = 500, 40
COUNT, HELD_OUT, TRAIN = 5_000, 5_000, 50_000
"""Images of a repeat with planted copies; one of fewer has a duller alarm, which sounds as seldom."""
FEW, FEW_HELD_OUT, FEW_TRAIN = 2_500, 3_000, 10_000
PLANTED = 0.02
NEARER = 1_000
"""Images of each set for the share that is nearer to training images."""
ONE_SIDED = 1.6448536269514722


@dataclass(frozen=True)
class Draw:
    """Pixels of one repeat: train is all that was trained on, of which the reference keeps the first."""

    train: F32
    held_out: F32
    honest: F32

    def copier(self, random: np.random.Generator) -> F32:
        """The honest images with some training images, any of them, in their place."""
        count = round(PLANTED * len(self.honest))
        copied = self.honest.copy()
        copied[random.choice(len(copied), count, replace=False)] = self.train[
            random.choice(len(self.train), count, replace=False)
        ]
        return copied


def fashion_mnist(shared: Path) -> F32:
    """Pixels of all 70,000 images."""
    folder = shared / "data" / "fashion-mnist"
    files = [gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes()) for name in ("train", "t10k")]
    images = [np.frombuffer(content, np.uint8, offset=16).reshape(-1, 1, 28, 28) for content in files]
    return pixel_features(np.concatenate(images))


def draw(pixels: F32, seed: int, count: int = COUNT, train: int = TRAIN, held_out: int = HELD_OUT) -> Draw:
    """Three sets without a common image, in an order that means nothing."""
    order = np.random.default_rng(seed).permutation(len(pixels))
    ends = np.cumsum((train, held_out, count))
    assert ends[-1] <= len(pixels), "not so many images"
    return Draw(pixels[order[: ends[0]]], pixels[order[ends[0] : ends[1]]], pixels[order[ends[1] : ends[2]]])


def share_of_copies(generated: F32, sets: Draw) -> Measurement:
    """As the judge measures it: beside the training images that a reference keeps."""
    return copies(generated, sets.train[:TRAIN_LIMIT], sets.held_out).share.measurement


def share_nearer(sets: Draw) -> Measurement:
    """Of the honest images, over real ones; of fewer images, since its error is known to fall with their root."""
    return memorisation(sets.honest[:NEARER], sets.train[:NEARER], sets.held_out[:NEARER]).measurement


def alarms(measured: Measurement) -> bool:
    """The gate's rule at a level of 5 %."""
    return measured.value > ONE_SIDED * measured.standard_error


def main() -> None:
    shared = os.environ.get("GANOPS_SHARED")
    if not shared:
        sys.exit("GANOPS_SHARED names no folder with data/fashion-mnist")
    pixels, copied, nearer, heard = fashion_mnist(Path(shared)), 0, 0, 0
    with one_thread():
        for seed in range(REPEATS):
            sets = draw(pixels, seed, FEW, FEW_TRAIN, FEW_HELD_OUT)
            copied += alarms(share_of_copies(sets.honest, sets))
            nearer += alarms(share_nearer(sets))
        print(f"honest: copies alarms in {copied}, memorisation in {nearer} of {REPEATS} repeats", flush=True)
        for seed in range(PLANTED_REPEATS):
            sets = draw(pixels, seed)
            heard += alarms(share_of_copies(sets.copier(np.random.default_rng([seed, 1])), sets))
        print(f"{PLANTED:.0%} planted: copies alarms in {heard} of {PLANTED_REPEATS} repeats")


if __name__ == "__main__":
    main()
