"""A snapshot: a generator for use, as a directory whose every byte is pinned by one digest.

    generator.safetensors   the weights
    model.json              architecture, facts about its making, sha256 of every other file
    …                       further files, listed in model.json

`Snapshot.sha256` is the digest of model.json, and so of everything.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ganops.errors import SnapshotError, UnknownName, UserError
from ganops.files import MOST_BYTES, forbidden, read_plain, replace_directory, sha256_bytes, write_bytes, write_json
from ganops.models.families import FAMILIES
from ganops.models.networks import Generator
from ganops.models.spec import ModelSpec
from ganops.models.weights import most_bytes, not_finite

FORMAT = 3
"""2 differed in two things: what conditional generators make of their labels, and a plain tanh at the end of `lite`."""
"""1 had the weights of first and last layers in another order."""
WEIGHTS, MODEL = "generator.safetensors", "model.json"
MOST_BYTES_OF_OTHERS = 2**30
"""Of a further file: 8 of each image that was trained on."""


@final
@dataclass(frozen=True)
class Snapshot:
    """A verified generator in evaluation mode, on the CPU, in float32.

    info: what `save_snapshot` was told about its making.
    sha256: digest of model.json, which names the digests of all other files.
    generator_sha256: digest of generator.safetensors alone.
    """

    generator: Generator
    spec: ModelSpec
    info: Mapping[str, Any]
    sha256: str
    generator_sha256: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of their labels; their numbers where there are no names."""
        numbers = tuple(map(str, range(self.spec.num_classes)))
        names = tuple(map(str, self.info.get("classes", ())))
        return names if len(names) == len(numbers) else numbers

    def label_of(self, name_or_number: str) -> int:
        """The label of a class by its name or, where no class has that name, by its number from 0.

        Raises:
            UserError: the generator knows no classes.
            UnknownName: it does not know this one, or has seen no image of it; names the nearest that it knows.
        """
        if not self.classes:
            raise UserError(
                f"There is no class '{name_or_number}' to choose: this generator was trained without classes. Leave "
                "the label out, or train a candidate with conditional: true."
            )
        known = {name: label for label, name in enumerate(self.classes) if self.spec.class_shares[label] > 0}
        numbers = {str(label): label for label in known.values()}
        if (label := (numbers | known).get(name_or_number)) is not None:
            return label
        near = difflib.get_close_matches(name_or_number, known, n=1)
        meant = f", did you mean '{near[0]}'?" if near else "."
        there = _listed([f"{name} ({label})" for name, label in known.items()])
        raise UnknownName(f"This generator knows no class '{name_or_number}'{meant} Its classes are {there}.")


def save_snapshot(
    directory: Path,
    generator: Generator,
    spec: ModelSpec,
    info: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
) -> Snapshot:
    """Write `directory` atomically and return it as loaded back. `files` (name: content) are pinned too."""
    weights = safetensors.torch.save(_portable(generator.state_dict()))
    contents = {WEIGHTS: weights, **(files or {})}
    model = {
        "format": FORMAT,
        "architecture": spec.to_json(),
        "parameters": sum(parameter.numel() for parameter in generator.parameters()),
        "files": {name: sha256_bytes(content) for name, content in contents.items()},
        "info": dict(info),
    }
    with replace_directory(directory) as temporary:
        for name, content in contents.items():
            write_bytes(temporary / name, content)
        write_json(temporary / MODEL, model)
    return load_snapshot(directory)


def load_snapshot(directory: Path) -> Snapshot:
    """Read and verify a snapshot.

    Raises:
        SnapshotError: a file is missing, changed, truncated or of another format, or a weight is not finite.
    """
    model_bytes = _read(directory, MODEL)
    try:
        model = json.loads(model_bytes)
        if not _is_read(model["format"], model["architecture"]):
            raise SnapshotError(
                f"{directory / MODEL} has format {model['format']}; this version reads {FORMAT}. Train it again."
            )
        digests, info = dict(model["files"]), dict(model["info"])
        if model["architecture"]["family"] not in FAMILIES:
            raise SnapshotError(
                f"{directory / MODEL} names the network family '{model['architecture']['family']}', which this "
                f"version does not have (it has {', '.join(FAMILIES)})."
            )
        spec = ModelSpec.from_json(model["architecture"])
        generator_sha256 = str(digests[WEIGHTS])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, AssertionError) as error:
        if isinstance(error, SnapshotError):
            raise
        raise SnapshotError(f"{directory / MODEL} is damaged; restore the snapshot or train again.") from None
    wanted = _architecture(directory, spec)
    most = dict.fromkeys(digests, MOST_BYTES_OF_OTHERS) | {WEIGHTS: most_bytes(wanted.values())}
    contents = {name: _verified(directory, name, digest, most[name]) for name, digest in digests.items()}
    generator = _generator(directory, spec, wanted, contents[WEIGHTS])
    return Snapshot(generator, spec, info, sha256_bytes(model_bytes), generator_sha256)


def _is_read(number: object, architecture: Mapping[str, Any]) -> bool:
    same = not architecture.get("class_shares") and architecture["family"] != "lite"
    return number == FORMAT or (number == FORMAT - 1 and same)


def _architecture(directory: Path, spec: ModelSpec) -> Mapping[str, Tensor]:
    """Without memory, of which a changed number could ask for more than there is."""
    try:
        with torch.device("meta"):
            return dict(Generator(spec).state_dict())
    except (RuntimeError, TypeError, AssertionError):
        raise _misfit(directory) from None


def _misfit(directory: Path) -> SnapshotError:
    return SnapshotError(f"{directory / WEIGHTS} does not fit the architecture in {MODEL}.")


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _generator(directory: Path, spec: ModelSpec, wanted: Mapping[str, Tensor], weights: bytes) -> Generator:
    try:
        tensors = safetensors.torch.load(weights)
        if _kinds(tensors) != _kinds(wanted):
            raise _misfit(directory)
        generator = Generator(spec)
        generator.load_state_dict(tensors)
    except (SafetensorError, RuntimeError, TypeError, AssertionError):
        raise _misfit(directory) from None
    if (name := not_finite(tensors)) is not None:
        raise SnapshotError(
            f"{directory / WEIGHTS} holds numbers that are not finite (in {name}), of which no image can be made. "
            "Restore the snapshot or train again."
        )
    generator.requires_grad_(False)
    return generator.eval()


def _verified(directory: Path, name: str, digest: str, most: int) -> bytes:
    if Path(name).name != name:
        raise SnapshotError(f"{directory / MODEL} names a file outside of the snapshot: '{name}'.")
    content = _read(directory, name, most)
    if sha256_bytes(content) != digest:
        raise SnapshotError(
            f"{directory / name} is not the file that {MODEL} describes (its sha256 differs): it was changed or "
            "cut short. Restore the snapshot or train again."
        )
    return content


def _read(directory: Path, name: str, most: int = MOST_BYTES) -> bytes:
    path = directory / name
    try:
        if path.exists() and not path.is_file():
            raise SnapshotError(f"{path} is no regular file; restore the snapshot or train again.")
        return read_plain(path, most)
    except PermissionError:
        raise SnapshotError(forbidden(path)) from None
    except FileNotFoundError as error:
        raise SnapshotError(f"The snapshot in {directory} lacks {name} ({error.strerror}).") from None
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read ({error.strerror}); restore the snapshot or train again.") from None


def _listed(names: list[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _portable(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU and contiguous: safetensors refuses channels_last."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
