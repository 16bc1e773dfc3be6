"""An extractor on disk and in use: two files, every byte pinned by one digest.

    extractor.safetensors   the weights and the projection
    extractor.json          architecture, facts about its making, sha256 of the weights

`Extractor.sha256` is the digest of extractor.json, and so of both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ganops.errors import IncomparableReports, SnapshotError
from ganops.evaluation.extractors.network import ClassifierNetwork, ExtractorNetwork, Projection
from ganops.evaluation.threads import one_thread
from ganops.files import replace_directory, sha256_bytes, write_bytes, write_json
from ganops.progress import Progress, silent

FORMAT = 1
WEIGHTS, CARD = "extractor.safetensors", "extractor.json"

Images = npt.NDArray[np.uint8] | Tensor
"""images_u8: uint8 (N, C, H, W), 0-255."""


@final
@dataclass(frozen=True)
class Card:
    """What has to be known of an extractor beside its weights.

    image_shape: (C, H, W). width: of the feature layer. dim: after the projection.
    accuracy: share of held-out (`select`) images classified rightly. preprocessing: the data set's.
    """

    kind: str
    image_shape: tuple[int, int, int]
    width: int
    dim: int
    classes: tuple[str, ...]
    accuracy: float
    preprocessing: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "image_shape": list(self.image_shape), "classes": list(self.classes)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Card:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        channels, height, wide = (int(side) for side in value["image_shape"])
        return Card(
            kind=str(value["kind"]),
            image_shape=(channels, height, wide),
            width=int(value["width"]),
            dim=int(value["dim"]),
            classes=tuple(str(name) for name in value["classes"]),
            accuracy=float(value["accuracy"]),
            preprocessing=str(value["preprocessing"]),
            seed=int(value["seed"]),
        )


@final
@dataclass(frozen=True, eq=False)
class Observed:
    """What an extractor sees in N images. features: float32 (N, d); probabilities: float32 (N, classes)."""

    features: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The likeliest class of each image."""
        return np.asarray(self.probabilities.argmax(1), np.int64)


@final
@dataclass(frozen=True, eq=False)
class Extractor:
    """A verified extractor in evaluation mode, on the CPU, in float32."""

    network: ExtractorNetwork
    card: Card
    sha256: str

    @property
    def dim(self) -> int:
        return self.card.dim

    @property
    def score_name(self) -> str:
        """What a Fréchet distance in these features is called; never `fid`, which is Inception's alone."""
        return f"fd_{self.card.kind}@{self.sha256[:8]}"

    def observe(self, images_u8: Images, batch_size: int = 512, progress: Progress = silent) -> Observed:
        """Features and class probabilities in one pass.

        Raises:
            IncomparableReports: the images are of another shape than those it was made for.
        """
        if tuple(images_u8.shape[1:]) != self.card.image_shape:
            raise IncomparableReports(
                f"The image shape differs: the extractor was made for {self.card.image_shape} (channels, height, "
                f"width) and the images are {tuple(images_u8.shape[1:])}. Run `ganops reference` on this data, or "
                "retrain the generator on it."
            )
        count = len(images_u8)
        features = np.empty((count, self.card.dim), np.float32)
        probabilities = np.empty((count, len(self.card.classes)), np.float32)
        for start in range(0, count, batch_size):
            part = slice(start, min(start + batch_size, count))
            with one_thread(), torch.inference_mode():
                feature, logits = self.network(to_float(images_u8[part]))
            features[part], probabilities[part] = feature.numpy(), logits.softmax(1).numpy()
            progress(part.stop, count, "extracting features")
        return Observed(features, probabilities)

    def features(self, images_u8: Images, batch_size: int = 512) -> npt.NDArray[np.float32]:
        """float32 (N, d)."""
        return self.observe(images_u8, batch_size).features

    def class_probabilities(self, images_u8: Images, batch_size: int = 512) -> npt.NDArray[np.float32]:
        """float32 (N, classes), rows summing to 1."""
        return self.observe(images_u8, batch_size).probabilities


def to_float(images_u8: Images) -> Tensor:
    """images_u8 to float32 in -1…1."""
    tensor = images_u8 if isinstance(images_u8, Tensor) else torch.from_numpy(np.array(images_u8))
    return tensor.cpu().float().div_(127.5).sub_(1.0)


def save_extractor(directory: Path, network: ExtractorNetwork, card: Card) -> Extractor:
    """Write `directory` atomically and return it as loaded back."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    weights = safetensors.torch.save(state)
    with replace_directory(directory) as temporary:
        write_bytes(temporary / WEIGHTS, weights)
        write_json(temporary / CARD, {"format": FORMAT, **card.to_json(), "files": {WEIGHTS: sha256_bytes(weights)}})
    return load_extractor(directory)


def load_extractor(directory: Path) -> Extractor:
    """Read and verify an extractor.

    Raises:
        SnapshotError: a file is missing, changed, truncated or of another format.
    """
    card_bytes = _read(directory, CARD)
    try:
        content = json.loads(card_bytes)
        known_format, digest, card = content["format"], content["files"][WEIGHTS], Card.from_json(content)
    except (KeyError, TypeError, ValueError):
        raise SnapshotError(f"{directory / CARD} is damaged; run `ganops reference` again.") from None
    if known_format != FORMAT or card.kind != "classifier":
        raise SnapshotError(
            f"{directory / CARD} has format {known_format} and kind '{card.kind}'; this version reads format "
            f"{FORMAT} and kind 'classifier'. Run `ganops reference` again."
        )
    weights = _read(directory, WEIGHTS)
    if sha256_bytes(weights) != digest:
        raise SnapshotError(
            f"{directory / WEIGHTS} is not the file that {CARD} describes (its sha256 differs): it was changed or "
            "cut short. Run `ganops reference` again."
        )
    network = ExtractorNetwork(
        ClassifierNetwork(card.image_shape, card.width, len(card.classes)), Projection(card.width, card.dim)
    )
    try:
        network.load_state_dict(safetensors.torch.load(weights))
    except (SafetensorError, RuntimeError):
        raise SnapshotError(f"{directory / WEIGHTS} does not fit the architecture in {CARD}.") from None
    return Extractor(network.requires_grad_(False).eval(), card, sha256_bytes(card_bytes))


def _read(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except OSError as error:
        raise SnapshotError(
            f"The extractor in {directory} lacks {name} ({error.strerror}); run `ganops reference`."
        ) from None
