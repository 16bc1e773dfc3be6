"""An extractor on disk and in use: a few files, every byte pinned by one digest.

    extractor.safetensors   the weights, the head and the projection
    extractor.onnx          of a custom extractor: its network
    extractor.json          architecture, facts about its making, sha256 of the others

`Extractor.sha256` is the digest of extractor.json, and so of all.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ganops.data.regular import require_regular
from ganops.errors import ExtractorError, IncomparableReports, SnapshotError, SourceRefused
from ganops.evaluation.extractors.card import Card
from ganops.evaluation.extractors.network import (
    Backbone,
    ClassifierNetwork,
    ExtractorNetwork,
    LinearHead,
    PretextNetwork,
    Projection,
    Seen,
)
from ganops.evaluation.extractors.onnx_file import MOST_BYTES as MOST_BYTES_OF_ONNX
from ganops.evaluation.extractors.onnx_network import OnnxNetwork
from ganops.evaluation.extractors.published import SHA256 as PUBLISHED_INCEPTION
from ganops.evaluation.extractors.published import without_numbers
from ganops.evaluation.threads import one_thread, side_by_side
from ganops.files import MOST_BYTES, read_plain, replace_directory, sha256_bytes, write_bytes
from ganops.models.weights import most_bytes
from ganops.progress import Progress, silent

FORMAT = 2
WEIGHTS, NETWORK, CARD = "extractor.safetensors", "extractor.onnx", "extractor.json"

Images = npt.NDArray[np.uint8] | Tensor
"""images_u8: uint8 (N, C, H, W), 0-255."""


@final
@dataclass(frozen=True, eq=False)
class Observed:
    """What an extractor sees in N images. features: float32 (N, d); probabilities: float32 (N, classes).

    imagenet: float32 (N, 1008), Inception's own class probabilities (from logits without bias, as the Inception
    score takes them); None with any other extractor.
    """

    features: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    imagenet: npt.NDArray[np.float32] | None = None

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The likeliest class of each image; all 0 where there are no classes."""
        if self.probabilities.shape[1] == 0:
            return np.zeros(len(self.probabilities), np.int64)
        return np.asarray(self.probabilities.argmax(1), np.int64)


@final
@dataclass(frozen=True, eq=False)
class Sight:
    """`Observed` as tensors, on the extractor's device. Whether the features are finite is not looked at."""

    features: Tensor
    probabilities: Tensor
    imagenet: Tensor | None = None

    @property
    def classes(self) -> Tensor:
        """int64 (N,), the likeliest class of each image; all 0 where there are no classes."""
        if self.probabilities.shape[1] == 0:
            return torch.zeros(len(self.probabilities), dtype=torch.int64, device=self.probabilities.device)
        return self.probabilities.argmax(1)


@final
@dataclass(frozen=True, eq=False)
class Extractor:
    """A verified extractor in evaluation mode, in float32.

    network: with the numbers that the digest is about. A faster copy of it looks at images.
    """

    network: ExtractorNetwork
    card: Card
    sha256: str

    @cached_property
    def _quick(self) -> ExtractorNetwork:
        return self.network.for_inference()

    @property
    def dim(self) -> int:
        return self.card.dim

    @property
    def device(self) -> torch.device:
        """Where it looks at images."""
        return device_of(self.network)

    @property
    def score_name(self) -> str:
        """What a Fréchet distance in these features is called.

        `fid` is Inception's alone: with the published weights, read at the last pool, and nothing after it.
        """
        card = self.card
        is_fid = card.kind == "inception" and card.tap == "2048" and not card.projected
        if is_fid and card.weights_sha256 == PUBLISHED_INCEPTION:
            return "fid"
        return f"fd_{card.kind}@{self.sha256[:8]}"

    def to(self, device: torch.device | str) -> Extractor:
        """The same with its network there. A custom one computes on the CPU and takes and gives tensors there."""
        return Extractor(copy.deepcopy(self.network).to(device), self.card, self.sha256)

    def with_card(self, **changes: Any) -> Extractor:
        """The same with other facts in its card, and so with another digest."""
        return in_memory(self.network, dataclasses.replace(self.card, **changes))

    def observe(self, images_u8: Images, batch_size: int | None = None, progress: Progress = silent) -> Observed:
        """Features and class probabilities in one pass; what an image gives does not depend on the batch size.

        batch_size: images at a time, which bounds the memory; None: as many as suit the network.

        Raises:
            IncomparableReports: the images are of another shape than those it was made for.
            ExtractorError: a feature is not a finite number.
        """
        self._check_shape(images_u8)
        count, size = len(images_u8), batch_size or self.network.backbone.images_at_once
        features = np.empty((count, self.card.dim), np.float32)
        probabilities = np.empty((count, len(self.card.classes)), np.float32)
        imagenet: npt.NDArray[np.float32] | None = None
        parts = [slice(start, min(start + size, count)) for start in range(0, count, size)]
        for part, seen in zip(parts, self._look_at(parts, images_u8), strict=True):
            features[part], probabilities[part] = seen.features.cpu().numpy(), seen.logits.softmax(1).cpu().numpy()
            if self.card.kind == "inception" and seen.own.shape[1]:
                imagenet = np.empty((count, seen.own.shape[1]), np.float32) if imagenet is None else imagenet
                imagenet[part] = seen.own.softmax(1).cpu().numpy()
            progress(part.stop, count, "extracting features")
        if not np.isfinite(features).all():
            bad = int((~np.isfinite(features).all(1)).sum())
            raise ExtractorError(
                f"The {self.card.kind} extractor {self.sha256[:8]} gives features that are not finite numbers for "
                f"{bad} of {count} images. Check its weights and the preprocessing that it was given."
            )
        return Observed(features, probabilities, imagenet)

    def completed(self, plain: Observed) -> Observed:
        """What `observe` would give, from what the same network without projection and head gave.

        Only for a backbone that knows none of the data's classes itself.
        """
        features = torch.from_numpy(plain.features)
        with _exact():
            seen = self.network.after(features, features[:, :0])
        return Observed(seen.features.numpy(), seen.logits.softmax(1).numpy(), plain.imagenet)

    def see(self, images_u8: Tensor) -> Sight:
        """A batch that is on any device, uint8 (N, C, H, W), as `observe` sees it, on the extractor's device.

        Raises:
            IncomparableReports: the images are of another shape than those it was made for.
        """
        self._check_shape(images_u8)
        size = self.network.backbone.images_at_once if self.device.type == "cpu" else len(images_u8)
        parts = [slice(start, start + size) for start in range(0, len(images_u8), size)]
        seen = list(self._look_at(parts, images_u8))
        own = torch.cat([part.own for part in seen])
        return Sight(
            torch.cat([part.features for part in seen]),
            torch.cat([part.logits for part in seen]).softmax(1),
            own.softmax(1) if self.card.kind == "inception" and own.shape[1] else None,
        )

    def observe_on(self, images_u8: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, d) and probabilities (N, classes) of `see`."""
        seen = self.see(images_u8)
        return seen.features, seen.probabilities

    def features(self, images_u8: Images, batch_size: int | None = None) -> npt.NDArray[np.float32]:
        """float32 (N, d)."""
        return self.observe(images_u8, batch_size).features

    def class_probabilities(self, images_u8: Images, batch_size: int | None = None) -> npt.NDArray[np.float32]:
        """float32 (N, classes), rows summing to 1."""
        return self.observe(images_u8, batch_size).probabilities

    def _look_at(self, parts: Sequence[slice], images_u8: Images) -> Iterator[Seen]:
        """On a CPU several parts at a time, each in one thread."""
        quick = self._quick  # made before threads ask for it
        several = side_by_side if device_of(quick).type == "cpu" else map
        return iter(several(lambda part: self._look(images_u8[part]), parts))

    def _look(self, images_u8: Images) -> Seen:
        tensor = images_u8 if isinstance(images_u8, Tensor) else torch.from_numpy(np.array(images_u8))
        with _exact():
            seen: Seen = self._quick(tensor.to(device_of(self._quick)))
        return seen

    def _check_shape(self, images_u8: Images) -> None:
        shape, made_for = tuple(images_u8.shape[1:]), self.card.image_shape
        if made_for is None and shape[0] in (1, 3):
            return
        if shape != made_for:
            wanted = f"{made_for} (channels, height, width)" if made_for else "1 or 3 channels"
            raise IncomparableReports(
                f"The image shape differs: the extractor was made for {wanted} and the images are {shape}. Run "
                "`ganops reference` on this data, or retrain the generator on it."
            )


@contextmanager
def _exact() -> Iterator[None]:
    """As the CPU computes, in one thread there and on a GPU without TF32, which would move a score's third digit."""
    with one_thread(), torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def device_of(network: ExtractorNetwork) -> torch.device:
    """Where its numbers are; the CPU where it has none."""
    tensor = next(iter(network.state_dict().values()), None)
    return tensor.device if tensor is not None else torch.device("cpu")


def in_memory(network: ExtractorNetwork, card: Card) -> Extractor:
    """An extractor that is not on disk, with the digest that it would have there."""
    return Extractor(network.requires_grad_(False).eval(), card, sha256_bytes(_packed(network, card)[CARD]))


def save_extractor(directory: Path, network: ExtractorNetwork, card: Card) -> Extractor:
    """Write `directory` atomically and return it as loaded back."""
    with replace_directory(directory) as temporary:
        for name, content in _packed(network, card).items():
            write_bytes(temporary / name, content)
    return load_extractor(directory)


def load_extractor(directory: Path) -> Extractor:
    """Read and verify an extractor.

    Raises:
        SnapshotError: a file is missing, changed, truncated or of another format.
    """
    card_bytes = _read(directory, CARD)
    try:
        content = json.loads(card_bytes)
        known_format = content["format"]
        if known_format != FORMAT:
            raise SnapshotError(
                f"{directory / CARD} has format {known_format}; this version reads format {FORMAT}. Run "
                "`ganops reference` again."
            )
        digests, card = dict(content["files"]), Card.from_json(content)
    except SnapshotError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError):
        raise SnapshotError(f"{directory / CARD} is damaged; run `ganops reference` again.") from None
    others = [name for name in _names(card) if name != WEIGHTS]
    files = {name: _verified(directory, name, digests, MOST_BYTES_OF_ONNX) for name in others}
    try:
        network = _built(card, files)
        weights = _verified(directory, WEIGHTS, digests, most_bytes(network.state_dict().values()))
        network.load_state_dict(safetensors.torch.load(weights), assign=True)
    except (SafetensorError, RuntimeError):
        raise SnapshotError(
            f"{directory / WEIGHTS} does not fit the architecture in {CARD}; run `ganops reference` again."
        ) from None
    return Extractor(network.requires_grad_(False).eval(), card, sha256_bytes(card_bytes))


def _names(card: Card) -> tuple[str, ...]:
    return (WEIGHTS, NETWORK) if card.kind == "custom" else (WEIGHTS,)


def _packed(network: ExtractorNetwork, card: Card) -> dict[str, bytes]:
    """Every file of the extractor; the same network and card give the same bytes."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    files = {WEIGHTS: safetensors.torch.save(state)}
    if isinstance(network.backbone, OnnxNetwork):
        files[NETWORK] = network.backbone.content
    assert set(files) == set(_names(card)), f"a card of kind {card.kind} for {type(network.backbone).__name__}"
    digests = {name: sha256_bytes(content) for name, content in files.items()}
    content = {"format": FORMAT, **card.to_json(), "files": digests}
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return {**files, CARD: text.encode()}


def _built(card: Card, files: Mapping[str, bytes]) -> ExtractorNetwork:
    """The architecture that a card describes, with numbers yet to be read."""
    return ExtractorNetwork(
        _backbone(card, files),
        Projection(card.width, card.dim) if card.projected else None,
        LinearHead(card.width, len(card.classes)) if card.head else None,
    )


def _backbone(card: Card, files: Mapping[str, bytes]) -> Backbone:
    match card.kind:
        case "classifier" if card.image_shape is not None:
            return ClassifierNetwork(card.image_shape, card.width, len(card.classes))
        case "pretext" if card.image_shape is not None:
            return PretextNetwork(card.image_shape, card.width)
        case "inception" if card.tap is not None:
            return without_numbers(card.tap)
        case "custom" if card.inputs is not None:
            return OnnxNetwork(files[NETWORK], card.inputs)
        case _:
            raise SnapshotError(f"{CARD} describes no extractor of kind {card.kind}; run `ganops reference` again.")


def _verified(directory: Path, name: str, digests: Mapping[str, str], most: int) -> bytes:
    content = _read(directory, name, most)
    if sha256_bytes(content) != digests.get(name):
        raise SnapshotError(
            f"{directory / name} is not the file that {CARD} describes (its sha256 differs): it was changed or "
            "cut short. Run `ganops reference` again."
        )
    return content


def _read(directory: Path, name: str, most: int = MOST_BYTES) -> bytes:
    try:
        require_regular(directory / name)
        return read_plain(directory / name, most)
    except SourceRefused as error:
        raise SnapshotError(f"The extractor in {directory} cannot be used: {error}") from None
    except FileNotFoundError as error:
        raise SnapshotError(
            f"The extractor in {directory} lacks {name} ({error.strerror}); run `ganops reference`."
        ) from None
    except OSError as error:
        raise SnapshotError(
            f"{directory / name} cannot be read ({error.strerror}); run `ganops reference` again."
        ) from None
