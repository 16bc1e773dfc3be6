"""The whole training state on disk: atomic, verified, without pickle.

One file per checkpoint, `ROLLBACKS-IMAGES_SEEN.SHA256.safetensors`: all tensors, and everything else as
JSON in the header's metadata. The name carries the digest of the content, so that a truncated or changed
file is refused, and sorts by the course of the training. The directory is named by a digest of what the
training depends on (`checkpoint_key`), and each file repeats it: a changed configuration never resumes a
stale state.
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
from ganops.training.guard import rollbacks
from ganops.training.state import MEMORY_FORMAT, Best, Tensors, TrainingState, tensors_of

FORMAT = 3
_DIGITS_OF_SHA256 = 16
_SUFFIX = ".safetensors"
_BEST = "best/"


def checkpoint_key(inputs: Mapping[str, Any]) -> str:
    """A directory name from everything that decides the course of a training."""
    return digest_json({"format": FORMAT, "torch": torch.__version__, **inputs})[:32]


@final
class CheckpointStore:
    """The checkpoints of one training, in `directory`: at most `keep` of them and `megabytes`, but always the newest.

    The best generator so far is part of each.
    """

    def __init__(self, directory: Path, keep: int = 2, megabytes: float = math.inf) -> None:
        self._directory, self._keep, self._bytes = directory, keep, megabytes * 1e6

    def save(self, state: TrainingState) -> None:
        """Write `state`, and then forget the oldest that are too many or too much.

        Raises:
            WorkspaceError: the disk is full or read-only; older checkpoints are left as they were.
        """
        tensors = {name: _portable(tensor) for name, tensor in tensors_of(state).items()}
        tensors |= {_BEST + name: tensor for name, tensor in state.best.weights.items()}
        content = safetensors.torch.save(tensors, {"state": json.dumps({"key": self._key, **_facts(state)})})
        digest = sha256_bytes(content)[:_DIGITS_OF_SHA256]
        try:
            write_bytes(
                self._directory / f"{rollbacks(state.lines):02d}-{state.images_seen:012d}.{digest}{_SUFFIX}", content
            )
            self._forget()
        except OSError as error:
            raise WorkspaceError(
                f"The checkpoint could not be written to {self._directory} ({error.strerror}). Earlier ones are whole: "
                "make room or make the folder writable, then run again to resume."
            ) from None

    def restore(self, state: TrainingState) -> list[str]:
        """Bring a fresh `state` to the newest checkpoint that is whole; with none, leave it as it is.

        Returns one sentence for each damaged checkpoint that was passed over, and for each change of device.
        """
        refused: list[str] = []
        for path in self._newest_first():
            try:
                _load(path, self._key, state)
                break
            except SnapshotError as error:
                refused.append(str(error))
        return [*refused, *state.moves]

    def resume_at(self) -> int | None:
        """Images seen by the newest checkpoint, whole or not; None where there is none."""
        newest = next(iter(self._newest_first()), None)
        return None if newest is None else int(newest.name.split(".")[0].split("-")[1])

    def clear(self) -> None:
        """Forget this training: it is done."""
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _key(self) -> str:
        return self._directory.name

    def _newest_first(self) -> list[Path]:
        return sorted(self._directory.glob(f"[0-9]*{_SUFFIX}"), reverse=True)

    def _forget(self) -> None:
        size = 0
        for age, path in enumerate(self._newest_first()):
            size += path.stat().st_size
            if age > 0 and (age >= self._keep or size > self._bytes):
                path.unlink(missing_ok=True)


def _facts(state: TrainingState) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "memory_format": MEMORY_FORMAT,
        "threads": torch.get_num_threads(),
        "device": state.device.type,
        "precision": state.precision,
        "micro_batch": state.micro_batch,
        "images_seen": state.images_seen,
        "seconds": state.seconds,
        "evaluation_seconds": state.evaluation_seconds,
        "best_score": state.best.score if math.isfinite(state.best.score) else None,
        "best_images_seen": state.best.images_seen,
        "lines": state.lines,
        "moves": state.moves,
    }


def _load(path: Path, key: str, state: TrainingState) -> None:
    """Raises SnapshotError, and then has not touched `state`."""
    live = tensors_of(state)
    stored, facts = _read(path)
    best = {name.removeprefix(_BEST): stored.pop(name) for name in list(stored) if name.startswith(_BEST)}
    if difference := _difference(facts, key):
        raise SnapshotError(f"The checkpoint {path} was passed over: {difference}.")
    if {name: tensor.shape for name, tensor in stored.items()} != {name: tensor.shape for name, tensor in live.items()}:
        raise SnapshotError(f"The checkpoint {path} was passed over: it belongs to other networks.")
    with torch.no_grad():
        for name, tensor in live.items():
            tensor.copy_(stored[name])  # into the live strides: see `optimizers`
    state.images_seen, state.micro_batch = facts["images_seen"], facts["micro_batch"]
    state.seconds, state.evaluation_seconds = facts["seconds"], facts["evaluation_seconds"]
    state.lines, state.moves = facts["lines"], facts.get("moves", [])
    if facts["device"] == state.device.type:
        state.precision = facts["precision"]
    else:  # what `auto` became there may be slow here, and the bits are others anyway
        state.moves = [*state.moves, _move(facts, state)]
    score = math.inf if facts["best_score"] is None else facts["best_score"]
    state.best = Best(score, facts["best_images_seen"], best)


def _move(facts: dict[str, Any], state: TrainingState) -> str:
    return (
        f"Trained on {facts['device']} in {facts['precision']} until {facts['images_seen']:,} images, on "
        f"{state.device.type} in {state.precision} from there: not bit-identical to a training on either."
    )


def _difference(facts: dict[str, Any], key: str) -> str | None:
    """Why a state that was stored with `facts` cannot be gone on with here."""
    if facts["format"] != FORMAT:
        return f"it has format {facts['format']}, and this version reads {FORMAT}"
    if facts["key"] != key:
        return f"it belongs to another configuration (digest {facts['key'][:12]}, not {key[:12]})"
    here = {"memory_format": MEMORY_FORMAT, "threads": torch.get_num_threads()}
    for name, value in here.items():
        if facts[name] != value:
            setting = name.replace("_", " ")
            return f"it was made with {setting} {facts[name]}, not {value}, and would not end in the same bytes"
    return None


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
