"""Whose eyes a score is seen with: an extractor that is there, or one that is fitted now and kept."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ganops.errors import UserError
from ganops.evaluation.extractors import Extractor, custom, inception, load_extractor
from ganops.evaluation.extractors.extractor import CARD
from ganops.progress import Progress
from ganops.stages.score_cache import Cache
from ganops.stages.score_fitting import FITTED, Fitted, Fitting, fitted_extractor
from ganops.stages.score_inputs import Features, Images, Input, Model, Pinned

_PINNED = "A pinned one is the directory data/reference/extractor of any workspace."
KINDS = (*FITTED, "inception", "inception:WEIGHTS", "custom:FILE.onnx")


@final
@dataclass(frozen=True, eq=False)
class Chosen:
    """The extractor, and in words where it comes from. fitted_on: the role of what it was fitted to just for this
    score; None where it was there before."""

    extractor: Extractor
    origin: str
    fitted_on: str | None = None

    @property
    def kind(self) -> str:
        return self.extractor.card.kind

    @property
    def dim(self) -> int:
        """Width of its features."""
        return self.extractor.dim

    @property
    def knows_classes(self) -> bool:
        return len(self.extractor.card.classes) > 0


@final
@dataclass(frozen=True, eq=False)
class Planned:
    """An extractor that is not fitted yet, and what is known of it all the same; see `Chosen`."""

    kind: Fitted
    fitting: Fitting
    origin: str

    @property
    def dim(self) -> int:
        return self.fitting.dimensions

    @property
    def knows_classes(self) -> bool:
        return self.kind == "classifier"


def choose_extractor(
    wanted: str | None, inputs: Mapping[str, Input], workspace_extractor: Path | None, progress: Progress
) -> Chosen | Planned | None:
    """The one that was asked for, else the workspace's where it fits, else one to be fitted by `made`; None where all
    that was given is features.

    wanted: one of `KINDS`, or a directory.

    Raises:
        UserError: there is no such extractor, it is made for other images, nothing is there to fit one to, or the
            images are not alike in shape.
        DamagedFile: its files are damaged.
    """
    if pinned := [item for item in inputs.values() if isinstance(item, Pinned)]:
        chosen = _of_reference(wanted, pinned, inputs, progress)
    elif all(isinstance(item, Features) for item in inputs.values()):
        if wanted is not None:
            raise UserError("--extractor is for images, and all that was given is features. Leave it out.")
        return None
    elif wanted is not None and wanted not in FITTED:
        chosen = Chosen(named_extractor(wanted, progress), f"from {wanted}")
    else:
        _require_no_features(inputs)
        own = _own(workspace_extractor, inputs) if wanted is None else None
        if own is None:
            return _planned(wanted, inputs)
        chosen = Chosen(own, "the workspace's own")
    require_alike(inputs, chosen.extractor.card.image_shape is None)
    _require_made_for(inputs, chosen)
    return chosen


def made(choice: Chosen | Planned | None, cache: Cache, progress: Progress) -> Chosen | None:
    """Fitted now, where it is not there.

    Raises:
        UserError: a classifier is asked for, and the images have no labels.
        DataRefused: they are too few.
    """
    if not isinstance(choice, Planned):
        return choice
    extractor = fitted_extractor(choice.kind, choice.fitting, cache, progress)
    return Chosen(extractor, choice.origin, choice.fitting.role)


def require_alike(inputs: Mapping[str, Input], any_size: bool) -> None:
    """Raises UserError where images are of different shapes; of sizes only unless the extractor takes any."""
    shaped = [(item.name, item.shape) for item in inputs.values() if isinstance(item, Images | Model)]
    for other, shape in shaped[1:]:
        name, (channels, height, width) = shaped[0]
        if shape[0] != channels:
            colour, grey = (name, other) if channels == 3 else (other, name)
            raise UserError(
                f"{colour} holds colour images and {grey} grey ones: they cannot be compared. Turn both into one or "
                "the other first (grey images that are stored with three channels count as colour)."
            )
        if shape[1:] != (height, width) and not any_size:
            raise UserError(
                f"The sizes differ: {name} holds images of {height}x{width} pixels (height x width) and {other} of "
                f"{shape[1]}x{shape[2]}. Scale both alike first: a score would tell of the scaling. Of the extractors, "
                "inception and custom scale by themselves."
            )


def _require_made_for(inputs: Mapping[str, Input], chosen: Chosen) -> None:
    made_for = chosen.extractor.card.image_shape
    for item in inputs.values():
        if isinstance(item, Images | Model) and made_for not in (None, item.shape):
            raise UserError(
                f"The extractor {chosen.origin} looks at images of {made_for} (channels, height, width), and those of "
                f"{item.name} are {item.shape}. Choose one that was made for such images, or `--extractor classifier` "
                "or `pretext`, which are fitted to them."
            )


def _own(directory: Path | None, inputs: Mapping[str, Input]) -> Extractor | None:
    """The workspace's, if there is one and it is made for such images."""
    if directory is None or not (directory / CARD).exists():
        return None
    extractor = load_extractor(directory)
    shapes = {item.shape for item in inputs.values() if isinstance(item, Images | Model)}
    return extractor if extractor.card.image_shape is None or shapes == {extractor.card.image_shape} else None


def _planned(wanted: str | None, inputs: Mapping[str, Input]) -> Planned:
    """Fitted to the training images where there are any, else to B."""
    require_alike(inputs, any_size=False)
    role = "train" if "train" in inputs else "b"
    item, b = inputs[role], inputs["b"]
    if not isinstance(item, Images):
        raise UserError(
            "There are no images here to fit an extractor to. Name images with --train, or a pinned extractor with "
            "--extractor DIR."
        )
    kind: Fitted = "classifier" if wanted == "classifier" or (wanted is None and item.images.labelled) else "pretext"
    fitting = Fitting(role, item.name, item.images, len(item) if isinstance(b, Model) else len(b))
    to = "labels" if kind == "classifier" else "images"
    origin = f"fitted to the {to} of {item.name} ({'B' if role == 'b' else 'training'})"
    return Planned(kind, fitting, origin)


def _require_no_features(inputs: Mapping[str, Input]) -> None:
    for item in inputs.values():
        if isinstance(item, Features):
            raise UserError(
                f"{item.name} holds features and not images, so that the others have to be looked at by the extractor "
                "that made them: name it with --extractor DIR."
            )


def _of_reference(
    wanted: str | None, pinned: Sequence[Pinned], inputs: Mapping[str, Input], progress: Progress
) -> Chosen:
    """The one that the reference was made with: no other sees what it sees."""
    first, extractor = pinned[0], pinned[0].extractor
    if other := next((item for item in pinned if item.extractor.sha256 != extractor.sha256), None):
        raise UserError(
            f"{first.name} and {other.name} are of different protocols: their extractors are {extractor.sha256[:8]} "
            f"and {other.extractor.sha256[:8]}. Score against the images themselves."
        )
    if given := next((item for item in inputs.values() if isinstance(item, Features)), None):
        raise UserError(
            f"Of the features in {given.name} nobody can tell whether they are of the extractor that {first.name} was "
            "made with. Score the images themselves."
        )
    if wanted is not None and (wanted in FITTED or named_extractor(wanted, progress).sha256 != extractor.sha256):
        raise UserError(
            f"{first.name} is of another protocol: it was made with the extractor {extractor.sha256[:8]}, and "
            f"--extractor {wanted} is another. Leave it out, or score against the images themselves."
        )
    return Chosen(extractor, f"of {first.name}")


def named_extractor(wanted: str, progress: Progress) -> Extractor:
    """A ready-made one: `inception`, `inception:WEIGHTS`, `custom:FILE.onnx` or a directory.

    Raises:
        UserError: there is none of that name, or it cannot be downloaded or run.
        DamagedFile: its files are damaged, or not the published ones.
        SourceRefused: what it is to be read from is no regular file.
    """
    kind, _, path = wanted.partition(":")
    if kind == "inception":
        return inception(Path(path).expanduser() if path else None, progress=progress)
    if kind == "custom" and path:
        return custom(Path(path).expanduser(), None)
    if kind == "custom":
        raise UserError("'--extractor custom' lacks the network's file: write custom:FILE.onnx.")
    directory = Path(wanted).expanduser()
    if directory.is_dir():
        if not (directory / CARD).exists():
            raise UserError(f"{wanted} is no pinned extractor: it holds no {CARD}. {_PINNED}")
        return load_extractor(directory)
    known = [name.partition(":")[0] for name in KINDS]
    if kind in known:  # one that takes no file
        raise UserError(f"'--extractor {wanted}': {kind} is fitted now and read from no file; write {kind} alone.")
    near = difflib.get_close_matches(kind, known, n=1)
    meant = f", did you mean '{near[0]}'?" if near else "."
    raise UserError(
        f"There is no extractor '{wanted}'{meant} Name one of {', '.join(KINDS)}, or a directory. {_PINNED}"
    )
