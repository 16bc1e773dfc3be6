"""The four kinds of extractors, each from what it is made of, without a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ganops.config import PreprocessingConfig, ReferenceConfig
from ganops.errors import DamagedFile
from ganops.evaluation.extractors.card import Card, Kind
from ganops.evaluation.extractors.classifier import train_classifier
from ganops.evaluation.extractors.extractor import Extractor, in_memory
from ganops.evaluation.extractors.fitting import accuracy_of, fitted
from ganops.evaluation.extractors.given_file import read_given
from ganops.evaluation.extractors.inception import InceptionNetwork, Tap
from ganops.evaluation.extractors.network import Backbone, ExtractorNetwork
from ganops.evaluation.extractors.onnx_file import MOST_BYTES
from ganops.evaluation.extractors.onnx_network import OnnxNetwork
from ganops.evaluation.extractors.pretext import AMONG, train_pretext
from ganops.evaluation.extractors.published import SHA256, published_network
from ganops.evaluation.extractors.training import Images, divided, image_shape
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
    task, classes = f"{len(class_names)} classes", tuple(class_names)
    plain = _learnt("classifier", network, images_u8, settings, preprocessing, task, classes)
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
    task = f"finding an image again among {AMONG}"
    plain = _learnt("pretext", network, images_u8, settings, preprocessing, task, accuracy=accuracy)
    return fitted(plain, images_u8, dimensions=dimensions or settings.features, progress=progress)


def inception(weights: Path | None = None, tap: Tap = "2048", progress: Progress = silent) -> Extractor:
    """The FID Inception network with the published weights, from a file, the cache or the network.

    Raises:
        DamagedFile: the weights are not the published ones.
        UserError: they are not there, or cannot be downloaded.
    """
    network = published_network(weights, tap, progress)
    return _ready_made("inception", network, task="1008 ImageNet classes", tap=tap, weights_sha256=SHA256)


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
    return _ready_made("custom", network, task="unknown", inputs=network.inputs)


def _with_seed(settings: ReferenceConfig | None, seed: int) -> ReferenceConfig:
    return (settings or ReferenceConfig()).model_copy(update={"seed": seed})


def _learnt(
    kind: Kind,
    network: Backbone,
    images_u8: Images,
    settings: ReferenceConfig,
    preprocessing: str,
    task: str,
    classes: tuple[str, ...] = (),
    accuracy: float | None = None,
) -> Extractor:
    """A network that was trained on these images, without a projection yet."""
    card = Card(
        kind=kind,
        image_shape=image_shape(images_u8),
        width=settings.features,
        dim=settings.features,
        classes=classes,
        accuracy=accuracy,
        preprocessing=preprocessing,
        seed=settings.seed,
        task=task,
        fitted_on="train",
        projected=False,
    )
    return in_memory(ExtractorNetwork(network), card)


def _ready_made(kind: Kind, network: InceptionNetwork | OnnxNetwork, **facts: Any) -> Extractor:
    """A network that takes images of any size and was fitted to none of ours. facts: of its card."""
    card = Card(
        kind=kind,
        image_shape=None,
        width=network.width,
        dim=network.width,
        classes=(),
        accuracy=None,
        preprocessing="",
        seed=0,
        projected=False,
        **facts,
    )
    return in_memory(ExtractorNetwork(network), card)
