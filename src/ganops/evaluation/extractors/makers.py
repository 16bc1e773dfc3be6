"""The four kinds of extractors, each from what it is made of, without a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ganops.config import PreprocessingConfig, ReferenceConfig
from ganops.errors import DamagedFile
from ganops.evaluation.extractors.card import Card
from ganops.evaluation.extractors.classifier import train_classifier
from ganops.evaluation.extractors.extractor import Extractor, in_memory
from ganops.evaluation.extractors.fitting import accuracy_of, fitted
from ganops.evaluation.extractors.given_file import read_given
from ganops.evaluation.extractors.inception import Tap
from ganops.evaluation.extractors.network import ExtractorNetwork
from ganops.evaluation.extractors.onnx_file import MOST_BYTES
from ganops.evaluation.extractors.onnx_network import OnnxNetwork
from ganops.evaluation.extractors.pretext import AMONG, train_pretext
from ganops.evaluation.extractors.published import SHA256, published_network
from ganops.evaluation.extractors.training import Images, divided
from ganops.files import sha256_bytes
from ganops.progress import Progress, silent


def fit_classifier(
    images_u8: Images,
    labels: npt.NDArray[np.int64],
    class_names: Sequence[str],
    settings: ReferenceConfig | None = None,
    seed: int = 0,
    progress: Progress = silent,
    *,
    dimensions: int | None = None,
    preprocessing: str = "",
) -> Extractor:
    """A classifier of images_u8 (N, C, H, W) by labels (N,), each an index of class_names, with a projection.

    dimensions: of the projection; None is the width of the feature layer. preprocessing: of the images, for the card.
    The card's accuracy is that on the images which the training held out.

    Raises:
        TooFewImages: there are fewer than a training needs.
        ExtractorError: its features are the same for all images.
    """
    assert labels.min(initial=0) >= 0 and labels.max(initial=0) < len(class_names), "a label that names no class"
    settings = _with_seed(settings, seed)
    network = train_classifier(images_u8, labels, len(class_names), settings, progress)
    card = Card(
        kind="classifier",
        image_shape=_shape(images_u8),
        width=settings.features,
        dim=settings.features,
        classes=tuple(class_names),
        accuracy=None,
        preprocessing=preprocessing,
        seed=settings.seed,
        task=f"{len(class_names)} classes",
        fitted_on="train",
        projected=False,
    )
    plain = in_memory(ExtractorNetwork(network), card)
    _, held_out = divided(images_u8)
    accuracy = accuracy_of(plain, images_u8[held_out], labels[held_out])
    projected = fitted(plain, images_u8, dimensions=dimensions or settings.features, progress=progress)
    return projected.with_card(accuracy=accuracy)


def fit_pretext(
    images_u8: Images,
    settings: ReferenceConfig | None = None,
    seed: int = 0,
    progress: Progress = silent,
    *,
    dimensions: int | None = None,
    preprocessing: str = "",
) -> Extractor:
    """A network of images_u8 (N, C, H, W) without labels, with a projection; see `pretext`. Arguments as above.

    Raises:
        TooFewImages: there are fewer than a training needs.
        ExtractorError: its features are the same for all images.
    """
    settings = _with_seed(settings, seed)
    network, accuracy = train_pretext(images_u8, settings, progress)
    card = Card(
        kind="pretext",
        image_shape=_shape(images_u8),
        width=settings.features,
        dim=settings.features,
        classes=(),
        accuracy=accuracy,
        preprocessing=preprocessing,
        seed=settings.seed,
        task=f"finding an image again among {AMONG}",
        fitted_on="train",
        projected=False,
    )
    plain = in_memory(ExtractorNetwork(network), card)
    return fitted(plain, images_u8, dimensions=dimensions or settings.features, progress=progress)


def inception(weights: Path | None = None, tap: Tap = "2048", progress: Progress = silent) -> Extractor:
    """The FID Inception network with the published weights, from a file, the cache or the network.

    Raises:
        DamagedFile: the weights are not the published ones.
        UserError: they are not there, or cannot be downloaded.
    """
    network = published_network(weights, tap, progress)
    card = Card(
        kind="inception",
        image_shape=None,
        width=network.width,
        dim=network.width,
        classes=(),
        accuracy=None,
        preprocessing="",
        seed=0,
        task="1008 ImageNet classes",
        projected=False,
        tap=tap,
        weights_sha256=SHA256,
    )
    return in_memory(ExtractorNetwork(network), card)


def custom(onnx: Path, sha256: str | None, preprocessing: PreprocessingConfig | None = None) -> Extractor:
    """A network of the user's from an ONNX file of that digest (None: of any); see `onnx_network`.

    Raises:
        DamagedFile: the file has another digest.
        UserError: it cannot be read or run, or refers to other files, or onnxruntime is not installed.
        SourceRefused: it is no regular file.
    """
    content = read_given(onnx, "the custom extractor", MOST_BYTES, "Check the path.")
    if sha256 is not None and (digest := sha256_bytes(content)) != sha256:
        raise DamagedFile(
            f"{onnx} is not the custom extractor that was named: its sha256 is {digest}, and {sha256} was asked for. "
            "Restore the file, or name its digest if it was changed on purpose."
        )
    network = OnnxNetwork(content, preprocessing or PreprocessingConfig(), str(onnx))
    card = Card(
        kind="custom",
        image_shape=None,
        width=network.width,
        dim=network.width,
        classes=(),
        accuracy=None,
        preprocessing="",
        seed=0,
        task="unknown",
        projected=False,
        inputs=network.inputs,
    )
    return in_memory(ExtractorNetwork(network), card)


def _with_seed(settings: ReferenceConfig | None, seed: int) -> ReferenceConfig:
    return (settings or ReferenceConfig()).model_copy(update={"seed": seed})


def _shape(images_u8: Images) -> tuple[int, int, int]:
    channels, height, width = (int(side) for side in images_u8.shape[1:])
    return channels, height, width
