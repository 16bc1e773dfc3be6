"""The whole training state on disk: atomic, verified, without pickle.

One file per checkpoint, `ROLLBACKS-IMAGES_SEEN.SHA256.safetensors`: all tensors, and everything else as
JSON in the header's metadata. The name carries the digest of the content, so that a truncated or changed
file is refused, and sorts by the course of the training. The directory is named by a digest of what the
training depends on (`checkpoint_key`), and each file repeats it: a changed configuration never resumes a
stale state. Directories so named beside it are other configurations' of the same candidate. Only regular files
of such names count: nothing else that lies there is opened, changed or deleted. A process that is killed while it
writes leaves a part under a hidden name, which `tidy` removes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, final

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open

from ganops.errors import SnapshotError, unwritable
from ganops.files import MOST_BYTES, digest_json, read_plain, sha256_bytes, write_bytes
from ganops.models.weights import most_bytes, not_finite
from ganops.training.checkpoint_facts import Facts
from ganops.training.guard import rollbacks
from ganops.training.state import MEMORY_FORMAT, Best, Tensors, TrainingState, tensors_of

FORMAT = 3
_DIGITS_OF_SHA256 = 16
_SUFFIX = ".safetensors"
_BEST = "best/"
_NAME = re.compile(rf"(\d{{2,}})-(\d{{12,}})\.[0-9a-f]{{{_DIGITS_OF_SHA256}}}{re.escape(_SUFFIX)}")
_UNFINISHED = re.compile(rf"\.{_NAME.pattern}\.\w+")
"""As `write_bytes` calls what it has not yet written to its end."""
_DIGITS_OF_KEY = 32
_KEY = re.compile(rf"[0-9a-f]{{{_DIGITS_OF_KEY}}}")
_ANY_STEPS = range(2**63)


def checkpoint_key(inputs: Mapping[str, Any]) -> str:
    """A directory name from everything that decides the course of a training."""
    return digest_json({"format": FORMAT, "torch": torch.__version__, **inputs})[:_DIGITS_OF_KEY]


@final
class CheckpointStore:
    """The checkpoints of one training, in `directory`: at most `keep` of them and `megabytes`, but always the newest.

    The best generator so far is part of each.
    """

    def __init__(self, directory: Path, keep: int = 2, megabytes: float = math.inf) -> None:
        self._directory, self._keep, self._bytes = directory, keep, megabytes * 1e6

    def save(self, state: TrainingState) -> None:
        """Write `state`, and then forget the oldest that are too many or too much.

        A state that is not finite, to which nothing could go back, is not written, and displaces none that is.

        Raises:
            NoRoom: the disk is full; older checkpoints are left as they were, here and below.
            WorkspaceError: the folder is read-only, or something is in the way.
        """
        tensors = {name: _portable(tensor) for name, tensor in tensors_of(state).items()}
        tensors |= {_BEST + name: tensor for name, tensor in state.best.weights.items()}
        if not_finite(tensors) is not None:
            return
        facts = _facts(state, self._key).model_dump()
        content = safetensors.torch.save(tensors, {"state": json.dumps(facts)})
        digest = sha256_bytes(content)[:_DIGITS_OF_SHA256]
        name = f"{rollbacks(state.lines):02d}-{state.images_seen:012d}.{digest}{_SUFFIX}"
        try:
            write_bytes(self._directory / name, content)
        except OSError as error:
            seen = self.resume_at()
            kept = "There is none yet" if seen is None else f"The last, of {seen:,} images, is kept"
            raise unwritable(
                error,
                f"The checkpoint could not be written to {self._directory} ({error.strerror}). {kept}: make room or "
                f"make the folder writable, then run again{'' if seen is None else ' to resume'}.",
            ) from None
        self._forget()

    def restore(self, state: TrainingState, steps: range = _ANY_STEPS) -> list[str]:
        """Bring a fresh `state` to the newest checkpoint that is whole; with none, leave it as it is.

        steps: the numbers of images after which this training can be.

        Returns one sentence for each damaged checkpoint that was passed over, each thing in the directory that is no
        file, each other configuration that has checkpoints, and each change of device or of the number of processes.
        """
        notes: list[str] = []
        for path in _newest_first(self._directory):
            try:
                _load(path, self._key, state, steps)
                break
            except SnapshotError as error:
                notes.append(str(error))
        return [*notes, *self._not_gone_on_with(), *state.moves]

    def tidy(self) -> None:
        """Remove what was being written when an earlier process was killed; nobody else may be training this."""
        for folder in (self._directory, *self._others()):
            _remove(path for path in _regular_files(folder) if _UNFINISHED.fullmatch(path.name))

    def resume_at(self) -> int | None:
        """Images seen by the newest checkpoint, whole or not; None where there is none."""
        newest = next(iter(_newest_first(self._directory)), None)
        return None if newest is None else _place(newest)[1]

    def clear(self) -> None:
        """Forget this training, and what earlier configurations of it have left: it is done."""
        self.tidy()
        for folder in (self._directory, *self._others()):
            _remove(_newest_first(folder))
            with suppress(OSError):
                folder.rmdir()  # where nothing else is in it
        with suppress(OSError):
            self._directory.parent.rmdir()

    @property
    def _key(self) -> str:
        return self._directory.name

    def _not_gone_on_with(self) -> Iterator[str]:
        for path in sorted(_listed(self._directory)):
            if path.name.endswith(_SUFFIX) and not _is_regular(path):
                yield f"{path} is no regular file, and so no checkpoint: it was left alone."
            elif path.name.endswith(_SUFFIX) and not _NAME.fullmatch(path.name):
                yield f"{path} has not the name of a checkpoint: it was left alone."
        for folder in self._others():
            for newest in _newest_first(folder)[:1]:
                difference = _another_configuration(folder.name, self._key)
                yield f"The checkpoint {newest} was passed over: {difference}."

    def _others(self) -> list[Path]:
        """Directories of other configurations."""
        beside = sorted(_listed(self._directory.parent))
        return [path for path in beside if _KEY.fullmatch(path.name) and path.is_dir() and path.name != self._key]

    def _forget(self) -> None:
        size = 0
        for age, path in enumerate(_newest_first(self._directory)):
            with suppress(OSError):  # the state is stored: what cannot be forgotten is tried again at the next
                size += path.stat().st_size
                if age > 0 and (age >= self._keep or size > self._bytes):
                    path.unlink()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _newest_first(directory: Path) -> list[Path]:
    return sorted((path for path in _regular_files(directory) if _NAME.fullmatch(path.name)), key=_place, reverse=True)


def _place(path: Path) -> tuple[int, int]:
    """Rollbacks and images seen, by the name."""
    match = _NAME.fullmatch(path.name)
    assert match is not None, path
    return int(match[1]), int(match[2])


def _regular_files(directory: Path) -> list[Path]:
    return [path for path in _listed(directory) if _is_regular(path)]


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _facts(state: TrainingState, key: str) -> Facts:
    return Facts(
        key=key,
        format=FORMAT,
        memory_format=MEMORY_FORMAT,
        threads=torch.get_num_threads(),
        device=state.device.type,
        processes=state.ranks.count,
        precision=state.precision,
        micro_batch=state.micro_batch,
        images_seen=state.images_seen,
        seconds=state.seconds,
        evaluation_seconds=state.evaluation_seconds,
        best_score=state.best.score if math.isfinite(state.best.score) else None,
        best_images_seen=state.best.images_seen,
        lines=state.lines,
        moves=state.moves,
    )


def _load(path: Path, key: str, state: TrainingState, steps: range) -> None:
    """Raises SnapshotError, and then has not touched `state`."""
    live = tensors_of(state)
    average = state.average.generator_ema.state_dict()
    stored, facts = _read(path, most_bytes([*live.values(), *average.values()]) + MOST_BYTES)
    best = {name.removeprefix(_BEST): stored.pop(name) for name in list(stored) if name.startswith(_BEST)}
    if difference := _difference(facts, key, steps):
        raise SnapshotError(f"The checkpoint {path} was passed over: {difference}.")
    if _kinds(stored) != _kinds(live) or (best and _kinds(best) != _kinds(average)):
        raise SnapshotError(f"The checkpoint {path} was passed over: it belongs to other networks.")
    if bool(best) != bool(facts.best_images_seen):
        raise SnapshotError(f"The checkpoint {path} was passed over: its best generator is not the one it speaks of.")
    if (spoilt := not_finite(stored | {_BEST + name: tensor for name, tensor in best.items()})) is not None:
        raise SnapshotError(f"The checkpoint {path} was passed over: {spoilt} in it holds numbers that are not finite.")
    with torch.no_grad():
        for name, tensor in live.items():
            tensor.copy_(stored[name])  # into the live strides: see `optimizers`
    state.images_seen, state.micro_batch = facts.images_seen, facts.micro_batch
    state.seconds, state.evaluation_seconds = facts.seconds, facts.evaluation_seconds
    state.lines, state.moves = facts.lines, facts.moves
    if facts.device == state.device.type:
        state.precision = facts.precision
    else:  # what `auto` became there may be slow here, and the bits are others anyway
        state.moves = [*state.moves, _move(facts, state)]
    if facts.processes not in (None, state.ranks.count):
        state.moves = [*state.moves, _regrouping(facts, state)]
    score = math.inf if facts.best_score is None else facts.best_score
    state.best = Best(score, facts.best_images_seen, best)


def _kinds(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _move(facts: Facts, state: TrainingState) -> str:
    return (
        f"Trained on {facts.device} in {facts.precision} until {facts.images_seen:,} images, on "
        f"{state.device.type} in {state.precision} from there: not bit-identical to a training on either."
    )


def _regrouping(facts: Facts, state: TrainingState) -> str:
    return (
        f"Trained by {_processes(facts.processes or 1)} until {facts.images_seen:,} images, by "
        f"{_processes(state.ranks.count)} from there: equal to a training by either to rounding, not bit for bit."
    )


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


def _difference(facts: Facts, key: str, steps: range) -> str | None:
    """Why a state that was stored with `facts` cannot be gone on with here."""
    if facts.format != FORMAT:
        return f"it has format {facts.format}, and this version reads {FORMAT}"
    if facts.key != key:
        return _another_configuration(facts.key, key)
    here = {"memory_format": MEMORY_FORMAT, "threads": torch.get_num_threads()}
    for name, value in here.items():
        if (there := getattr(facts, name)) != value:
            setting = name.replace("_", " ")
            return f"it was made with {setting} {there}, not {value}, and would not end in the same bytes"
    if facts.images_seen not in steps:
        return f"it says that {facts.images_seen:,} images had been shown, where this training never is"
    return None


def _another_configuration(theirs: str, ours: str) -> str:
    return f"it belongs to another configuration (digest {theirs[:12]}, not {ours[:12]})"


def _read(path: Path, most: int) -> tuple[Tensors, Facts]:
    """most: bytes of tensors and lines together."""
    damaged = SnapshotError(f"The checkpoint {path} is damaged (changed or cut short) and was passed over.")
    try:
        content = read_plain(path, most)
        if sha256_bytes(content)[:_DIGITS_OF_SHA256] != path.name.split(".")[1]:
            raise damaged
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        return safetensors.torch.load(content), Facts.model_validate_json(metadata["state"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise (error if error is damaged else damaged) from None


def _portable(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().contiguous()
