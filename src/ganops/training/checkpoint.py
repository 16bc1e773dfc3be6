"""The whole training state on disk: atomic, verified, without pickle.

One file per checkpoint, `IMAGES_SEEN.SHA256.safetensors`: all tensors, and everything else as JSON in
the header's metadata. The name carries the digest of the content, so that a truncated or changed file
is refused. The directory is named by a digest of what the training depends on (`checkpoint_key`): a
changed configuration never resumes a stale state.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from ganops.errors import SnapshotError, WorkspaceError
from ganops.files import digest_json, sha256_bytes, write_bytes
from ganops.training.state import Best, Tensors, TrainingState, tensors_of

FORMAT = 1
KEPT = 2
"""The newest, and the one before it to fall back to."""
_DIGITS_OF_SHA256 = 16
_BEST = "best/"


def checkpoint_key(inputs: Mapping[str, Any]) -> str:
    """A directory name from everything that decides the course of a training."""
    return digest_json({"format": FORMAT, "torch": torch.__version__, **inputs})[:32]


@final
class CheckpointStore:
    """The checkpoints of one training, in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, state: TrainingState) -> None:
        """Write `state` and forget all but the newest two.

        Raises:
            WorkspaceError: the disk is full or read-only; older checkpoints are left as they were.
        """
        tensors = {name: _portable(tensor) for name, tensor in tensors_of(state).items()}
        tensors |= {_BEST + name: tensor for name, tensor in state.best.weights.items()}
        content = safetensors.torch.save(tensors, {"state": json.dumps(_facts(state))})
        name = f"{state.images_seen:012d}.{sha256_bytes(content)[:_DIGITS_OF_SHA256]}.safetensors"
        try:
            write_bytes(self._directory / name, content)
            for old in self._newest_first()[KEPT:]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"The checkpoint could not be written to {self._directory} ({error.strerror}). Earlier ones are whole: "
                "make room or make the folder writable, then run again to resume."
            ) from None

    def restore(self, state: TrainingState) -> list[str]:
        """Bring a fresh `state` to the newest checkpoint that is whole; with none, leave it as it is.

        Returns one sentence for each damaged checkpoint that was passed over.
        """
        refused: list[str] = []
        for path in self._newest_first():
            try:
                _load(path, state)
                break
            except SnapshotError as error:
                refused.append(str(error))
        return refused

    def clear(self) -> None:
        """Forget this training: it is done."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _newest_first(self) -> list[Path]:
        return sorted(self._directory.glob("[0-9]*.safetensors"), reverse=True)


def _facts(state: TrainingState) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "images_seen": state.images_seen,
        "seconds": state.seconds,
        "precision": state.precision,
        "best_score": state.best.score if math.isfinite(state.best.score) else None,
        "best_images_seen": state.best.images_seen,
        "lines": state.lines,
    }


def _load(path: Path, state: TrainingState) -> None:
    """Raises SnapshotError, and then has not touched `state`."""
    live = tensors_of(state)
    stored, facts = _read(path)
    best = {name.removeprefix(_BEST): stored.pop(name) for name in list(stored) if name.startswith(_BEST)}
    if facts["format"] != FORMAT or {n: t.shape for n, t in stored.items()} != {n: t.shape for n, t in live.items()}:
        raise SnapshotError(f"The checkpoint {path} belongs to other networks and was passed over.")
    with torch.no_grad():
        for name, tensor in live.items():
            tensor.copy_(stored[name])  # into the live strides: see `state._adam`
    state.images_seen, state.seconds = facts["images_seen"], facts["seconds"]
    state.precision, state.lines = facts["precision"], facts["lines"]
    score = math.inf if facts["best_score"] is None else facts["best_score"]
    state.best = Best(score, facts["best_images_seen"], best)


def _read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    damaged = SnapshotError(f"The checkpoint {path} is damaged (changed or cut short) and was passed over.")
    try:
        content = path.read_bytes()
        if sha256_bytes(content)[:_DIGITS_OF_SHA256] != path.name.split(".")[1]:
            raise damaged
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        facts: dict[str, Any] = json.loads(metadata["state"])
        return safetensors.torch.load(content), facts
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise (error if error is damaged else damaged) from None


def _portable(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().contiguous()
