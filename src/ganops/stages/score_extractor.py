"""Whose eyes a score is seen with: an extractor that is there, or one that is fitted now and kept."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ganops.errors import UserError
from ganops.evaluation.extractors import Extractor, load_extractor
from ganops.evaluation.extractors.extractor import CARD
from ganops.progress import Progress
from ganops.stages.score_cache import Cache
from ganops.stages.score_fitting import FITTED, Fitting, fitted_extractor
from ganops.stages.score_inputs import Features, Images, Input, Model, Pinned


@final
@dataclass(frozen=True, eq=False)
class Chosen:
    """The extractor, and in words where it comes from. fitted_on: the role of what it was fitted to just for this
    score; None where it was there before."""

    extractor: Extractor
    origin: str
    fitted_on: str | None = None


def choose_extractor(
    wanted: str | None, inputs: Mapping[str, Input], workspace_extractor: Path | None, cache: Cache, progress: Progress
) -> Chosen | None:
    """The one that was asked for, else the workspace's where it fits, else one that is fitted now; None where all that
    was given is features.

    wanted: `classifier`, or a directory.

    Raises:
        UserError: there is no such extractor, it is made for other images, nothing is there to fit one to, or the
            images are not alike in shape.
        SnapshotError: its files are damaged.
    """
    shape = common_shape(inputs)
    if pinned := [item for item in inputs.values() if isinstance(item, Pinned)]:
        return _of_reference(wanted, pinned, inputs, shape)
    if shape is None:
        if wanted is not None:
            raise UserError("--extractor is for images, and all that was given is features. Leave it out.")
        return None
    if wanted in (None, *FITTED):
        _require_no_features(inputs)
    if wanted is None and (own := _own(workspace_extractor, shape)) is not None:
        return Chosen(own, "the workspace's own")
    if wanted in (None, *FITTED):
        fitting = _fitting(inputs)
        origin = f"fitted to the labels of {fitting.name} ({'B' if fitting.role == 'b' else 'training'})"
        return Chosen(fitted_extractor(wanted or "classifier", fitting, cache, progress), origin, fitting.role)
    extractor = named_extractor(wanted)
    require_fitting(extractor, wanted, shape)
    return Chosen(extractor, f"from {wanted}")


def common_shape(inputs: Mapping[str, Input]) -> tuple[int, int, int] | None:
    """(C, H, W) of all that are images; None where there are none.

    Raises:
        UserError: two are of different shapes.
    """
    shaped = [(item.name, item.shape) for item in inputs.values() if isinstance(item, Images | Model)]
    if not shaped:
        return None
    first, shape = shaped[0]
    for name, other in shaped[1:]:
        if other[0] != shape[0]:
            colour, grey = (first, name) if shape[0] == 3 else (name, first)
            raise UserError(
                f"{colour} holds colour images and {grey} grey ones: they cannot be compared. Turn both into one or "
                "the other first (grey images that are stored with three channels count as colour)."
            )
        if other != shape:
            raise UserError(
                f"The sizes differ: {first} holds images of {shape[1]}x{shape[2]} pixels (height x width) and {name} "
                f"of {other[1]}x{other[2]}. Scale both alike first: a score would tell of the scaling."
            )
    return shape


def _own(directory: Path | None, shape: tuple[int, int, int]) -> Extractor | None:
    """The workspace's, if there is one and it is made for such images."""
    if directory is None or not (directory / CARD).exists():
        return None
    extractor = load_extractor(directory)
    return extractor if _fits(extractor, shape) else None


def _require_no_features(inputs: Mapping[str, Input]) -> None:
    for item in inputs.values():
        if isinstance(item, Features):
            raise UserError(
                f"{item.name} holds features and not images, so that the others have to be looked at by the extractor "
                "that made them: name it with --extractor DIR."
            )


def _of_reference(
    wanted: str | None, pinned: Sequence[Pinned], inputs: Mapping[str, Input], shape: tuple[int, int, int] | None
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
    if wanted is not None and (wanted in FITTED or named_extractor(wanted).sha256 != extractor.sha256):
        raise UserError(
            f"{first.name} is of another protocol: it was made with the extractor {extractor.sha256[:8]}, and "
            f"--extractor {wanted} is another. Leave it out, or score against the images themselves."
        )
    require_fitting(extractor, first.name, shape)
    return Chosen(extractor, f"of {first.name}")


def named_extractor(wanted: str) -> Extractor:
    """A pinned one.

    Raises:
        UserError: there is none of that name.
        SnapshotError: its files are damaged.
    """
    directory = Path(wanted).expanduser()
    if not directory.is_dir():
        near = difflib.get_close_matches(wanted, FITTED, n=1)
        meant = f", did you mean '{near[0]}'?" if near else "."
        raise UserError(
            f"There is no extractor '{wanted}'{meant} Name the directory of one, such as data/reference/extractor of a "
            f"workspace, or one of {', '.join(FITTED)}."
        )
    return load_extractor(directory)


def require_fitting(extractor: Extractor, name: str, image_shape: tuple[int, int, int] | None) -> None:
    """Raises UserError where the extractor is made for other images (C, H, W)."""
    if image_shape is not None and not _fits(extractor, image_shape):
        raise UserError(
            f"The extractor of {name} looks at images of {extractor.card.image_shape} (channels, height, width), and "
            f"these are {image_shape}. Choose an extractor that was made for such images, or `--extractor classifier`, "
            "which is fitted to them."
        )


def _fits(extractor: Extractor, image_shape: tuple[int, int, int]) -> bool:
    return extractor.card.image_shape in (None, image_shape)


def _fitting(inputs: Mapping[str, Input]) -> Fitting:
    """The training images where there are any, else B."""
    role = "train" if "train" in inputs else "b"
    item, b = inputs[role], inputs["b"]
    if not isinstance(item, Images):
        raise UserError(
            "There are no images here to fit an extractor to. Name images with --train, or a pinned extractor with "
            "--extractor DIR."
        )
    return Fitting(role, item.name, item.images, len(item) if isinstance(b, Model) else len(b))
