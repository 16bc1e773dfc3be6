"""What a model offers to be judged by: images generated now, as the extractor sees them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.errors import IncomparableReports, SnapshotError
from ganops.evaluation.conventions import CONVENTIONS
from ganops.evaluation.extractors import Extractor
from ganops.evaluation.feature_stats import FeatureStats
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.protocol import Protocol
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sharded import ALONE, Crew, Rows, Sampling, looked_at, sample_on
from ganops.files import forbidden, read_plain, sha256_bytes
from ganops.models.networks import Generator
from ganops.models.snapshot import MOST_BYTES_OF_OTHERS, Snapshot
from ganops.progress import Progress, silent

TRAINING_IMAGES = "training_images.npy"
BATCH_SIZE = 256


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
    """Generate `num_images` from `seed` and look at them, in this process, on the CPU.

    Raises:
        IncomparableReports: the extractor is not the reference's, or the images are of another shape.
        ExtractorError: a feature is not a finite number.
    """
    check_extractor(extractor, reference)
    sampling = Sampling(num_images, seed, BATCH_SIZE)
    rows = rows_of(snapshot.generator, extractor, sampling, progress=progress)
    assert rows is not None
    return sample_of(rows, snapshot, training_images, extractor, reference, seed)


def check_extractor(extractor: Extractor, reference: ReferenceSample) -> None:
    """Raises IncomparableReports where the extractor is not the reference's."""
    if extractor.sha256 != reference.extractor_sha256:
        raise IncomparableReports(
            f"The extractor's sha256 differs: the reference was made with {reference.extractor_sha256[:8]}, and the "
            f"extractor at hand is {extractor.sha256[:8]}. Run `ganops reference` again."
        )


def rows_of(
    generator: Generator, extractor: Extractor, sampling: Sampling, crew: Crew = ALONE, progress: Progress = silent
) -> dict[str, Tensor] | None:
    """What is kept of each generated image, by one process or several; None in all processes but the first.

    Images are made on the generator's device and looked at where the extractor is, batch after batch. Kept are there
    `features` float32 (n, d), `classes` int64 (n,) and, of Inception, `imagenet` float32 (n, 1008), and on the CPU
    `pixels` float32 (n, p).

    Raises:
        IncomparableReports: the images are of another shape than the extractor's.
        ExtractorError: a feature is not a finite number.
        RankLost: another process does not answer.
    """

    def look(images_u8: Tensor) -> Rows:
        seen = extractor.see(images_u8)
        rows = {"features": seen.features, "classes": seen.classes}
        rows["pixels"] = torch.from_numpy(pixel_features(images_u8))
        return rows if seen.imagenet is None else {**rows, "imagenet": seen.imagenet}

    return sample_on(generator, look, sampling, crew, progress)


def sample_of(
    rows: Rows,
    snapshot: Snapshot,
    training_images: npt.NDArray[np.uint64],
    extractor: Extractor,
    reference: ReferenceSample,
    seed: int,
    device: str = "cpu",
) -> Sample:
    """Of the rows that `rows_of` has found from `seed`; device: the kind on which the features were computed."""
    arrays = {name: tensor.cpu().numpy() for name, tensor in rows.items()}
    features, pixels, classes = arrays["features"], arrays["pixels"], arrays["classes"]
    protocol = Protocol(
        score=extractor.score_name,
        extractor=extractor.card.kind,
        extractor_sha256=extractor.sha256,
        preprocessing=str(snapshot.info.get("preprocessing")),
        split=reference.split,
        reference_hash=reference.hash,
        num_images=len(features),
        num_reference=len(reference.features),
        seed=seed,
        metric_version=reference.metric_version,
        extractor_accuracy=reference.extractor_accuracy,
        grey_repeated=reference.grey_repeated,
        device=device,
        conventions=CONVENTIONS,
    )
    return Sample(
        snapshot.sha256,
        features,
        classes if reference.num_classes else np.zeros_like(classes),
        protocol,
        training_images,
        pixels if reference.pixels.size else pixels[:, :0],
        arrays.get("imagenet"),
    )


def generated_stats(generator: Generator, extractor: Extractor, num_images: int, seed: int) -> FeatureStats:
    """Mean and covariance of the features of images that `generator` makes from `seed`.

    With the extractor on the generator's device all of it is computed there; memory does not grow with num_images.
    """
    sampling = Sampling(num_images, seed, BATCH_SIZE)
    batches = looked_at(generator, lambda images_u8: {"features": extractor.see(images_u8).features}, sampling)
    return FeatureStats.from_batches(rows["features"] for rows in batches)


def read_training_images(directory: Path, snapshot: Snapshot) -> npt.NDArray[np.uint64]:
    """Which images `snapshot`, loaded from `directory`, was trained on; see `Sample`.

    Raises:
        SnapshotError: the list is missing or not the one that the snapshot was saved with.
    """
    path = directory / TRAINING_IMAGES
    try:
        content = read_plain(path, MOST_BYTES_OF_OTHERS)
        numbers = np.load(io.BytesIO(content), allow_pickle=False)
    except PermissionError:
        raise SnapshotError(forbidden(path)) from None
    except (OSError, ValueError, EOFError) as error:
        raise SnapshotError(
            f"{path} cannot be read ({error}): without the list of its training images, {snapshot.sha256[:8]} cannot "
            "be judged. Restore the snapshot or train again."
        ) from None
    if numbers.dtype != np.uint64 or numbers.ndim != 1:
        raise SnapshotError(f"{path} (sha256 {sha256_bytes(content)[:8]}) is not a list of images. Train again.")
    return np.asarray(numbers, np.uint64)
