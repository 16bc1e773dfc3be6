"""What a model offers to be judged by: images generated now, as the extractor sees them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ganops.errors import IncomparableReports, SnapshotError
from ganops.evaluation.extractors import Extractor
from ganops.evaluation.feature_stats import FeatureStats
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.protocol import CONVENTIONS, Protocol
from ganops.evaluation.reference import ReferenceSample
from ganops.files import sha256_bytes
from ganops.models.networks import Generator
from ganops.models.sampling import generate
from ganops.models.snapshot import Snapshot
from ganops.progress import Progress, silent

TRAINING_IMAGES = "training_images.npy"
BATCH_SIZE = 256
Features = Callable[[Tensor], npt.NDArray[np.float32]]
"""Of images_u8, uint8 (N, C, H, W): float32 (N, d)."""


@final
@dataclass(frozen=True, eq=False)
class Sample:
    """features float32 (n, d) and classes int64 (n,) of generated images, and where they come from.

    training_images: sorted uint64, the first 8 bytes (big-endian) of the sha256 of each image trained on.
    pixels: float32 (n, p), see `pixel_features`; (0, 0) where there are no images.
    imagenet: float32 (n, 1008), Inception's own class probabilities; None with any other extractor.
    """

    snapshot_sha256: str
    features: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    protocol: Protocol
    training_images: npt.NDArray[np.uint64]
    pixels: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    imagenet: npt.NDArray[np.float32] | None = None


def take_sample(
    snapshot: Snapshot,
    training_images: npt.NDArray[np.uint64],
    extractor: Extractor,
    reference: ReferenceSample,
    num_images: int,
    seed: int,
    progress: Progress = silent,
) -> Sample:
    """Generate `num_images` from `seed` and look at them; images are streamed, only features are kept.

    Raises:
        IncomparableReports: the extractor is not the reference's, or the images are of another shape.
    """
    if extractor.sha256 != reference.extractor_sha256:
        raise IncomparableReports(
            f"The extractor's sha256 differs: the reference was made with {reference.extractor_sha256[:8]}, and the "
            f"extractor at hand is {extractor.sha256[:8]}. Run `ganops reference` again."
        )
    features = np.empty((num_images, extractor.dim), np.float32)
    classes = np.zeros(num_images, np.int64)
    pixels = np.empty((num_images, reference.pixels.shape[1]), np.float32)
    imagenet = []
    done = 0
    for images_u8 in generate(snapshot.generator, num_images, seed, BATCH_SIZE):
        observed = extractor.observe(images_u8)
        part = slice(done, done + len(images_u8))
        features[part] = observed.features
        if reference.num_classes:
            classes[part] = observed.classes
        if reference.pixels.size:
            pixels[part] = pixel_features(images_u8)
        # only what Inception sees has it
        imagenet += [own] if (own := getattr(observed, "imagenet", None)) is not None else []
        done = part.stop
        progress(done, num_images, "generating and looking")
    protocol = Protocol(
        score=extractor.score_name,
        extractor=extractor.card.kind,
        extractor_sha256=extractor.sha256,
        preprocessing=str(snapshot.info.get("preprocessing")),
        split=reference.split,
        reference_hash=reference.hash,
        num_images=num_images,
        num_reference=len(reference.features),
        seed=seed,
        metric_version=reference.metric_version,
        extractor_accuracy=reference.extractor_accuracy,
        grey_repeated=reference.grey_repeated,
        conventions=CONVENTIONS,
    )
    own_classes = np.concatenate(imagenet) if imagenet else None
    return Sample(snapshot.sha256, features, classes, protocol, training_images, pixels, own_classes)


def generated_stats(generator: Generator, features: Features, num_images: int, seed: int) -> FeatureStats:
    """Mean and covariance of the features of images that `generator` makes from `seed`, on the device where it is."""
    device = next(generator.parameters()).device
    return FeatureStats.from_batches(map(features, generate(generator, num_images, seed, BATCH_SIZE, device)))


def read_training_images(directory: Path, snapshot: Snapshot) -> npt.NDArray[np.uint64]:
    """Which images `snapshot`, loaded from `directory`, was trained on; see `Sample`.

    Raises:
        SnapshotError: the list is missing or not the one that the snapshot was saved with.
    """
    path = directory / TRAINING_IMAGES
    try:
        content = path.read_bytes()
        numbers = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SnapshotError(
            f"{path} cannot be read ({error}): without the list of its training images, {snapshot.sha256[:8]} cannot "
            "be judged. Restore the snapshot or train again."
        ) from None
    if numbers.dtype != np.uint64 or numbers.ndim != 1:
        raise SnapshotError(f"{path} (sha256 {sha256_bytes(content)[:8]}) is not a list of images. Train again.")
    return np.asarray(numbers, np.uint64)
