"""What has to be known of an extractor beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, final, get_args

from ganops.config import PreprocessingConfig
from ganops.evaluation.extractors.inception import TAPS, Tap

Kind = Literal["classifier", "pretext", "inception", "custom"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@final
@dataclass(frozen=True)
class Card:
    """Facts that rebuild an extractor and say what it is worth.

    image_shape: (C, H, W) of the images that it takes, or None for any size. width: of the backbone's features;
    dim: after the projection. classes: that it tells apart, empty where it knows none. accuracy: share of held-out
    images for which it does its task rightly, None where it has no task. preprocessing: of the data set it was
    fitted to. seed: of its training. task: what it learnt, in a few words. fitted_on: the split that its weights,
    projection or head were fitted to, empty for none. projected: whether a projection follows. head: whether the
    classes are told by a linear head, not by the network itself. tap: where Inception's features are read.
    weights_sha256: of the published file that the weights come from, verified. inputs: what a custom network takes.
    """

    kind: Kind
    image_shape: tuple[int, int, int] | None
    width: int
    dim: int
    classes: tuple[str, ...]
    accuracy: float | None
    preprocessing: str
    seed: int
    task: str = ""
    fitted_on: str = ""
    projected: bool = True
    head: bool = False
    tap: Tap | None = None
    weights_sha256: str | None = None
    inputs: PreprocessingConfig | None = None

    def repeats_grey(self, channels: int) -> bool:
        """Whether images of so many channels are repeated to the three that the network takes."""
        wanted = 3 if self.kind == "inception" else self.inputs.channels if self.inputs is not None else channels
        return (channels, wanted) == (1, 3)

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "image_shape": list(self.image_shape) if self.image_shape is not None else None,
            "classes": list(self.classes),
            "inputs": self.inputs.model_dump(mode="json") if self.inputs is not None else None,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Card:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        kind, tap = value["kind"], value["tap"]
        if kind not in KINDS or tap not in (None, *TAPS):
            raise ValueError(f"unknown kind {kind!r} or tap {tap!r}")
        shape, accuracy, inputs = value["image_shape"], value["accuracy"], value["inputs"]
        weights = value["weights_sha256"]
        return Card(
            kind=cast(Kind, kind),
            image_shape=_shape(shape) if shape is not None else None,
            width=int(value["width"]),
            dim=int(value["dim"]),
            classes=tuple(str(name) for name in value["classes"]),
            accuracy=float(accuracy) if accuracy is not None else None,
            preprocessing=str(value["preprocessing"]),
            seed=int(value["seed"]),
            task=str(value["task"]),
            fitted_on=str(value["fitted_on"]),
            projected=bool(value["projected"]),
            head=bool(value["head"]),
            tap=cast(Tap | None, tap),
            weights_sha256=str(weights) if weights is not None else None,
            inputs=PreprocessingConfig.model_validate_json(json.dumps(inputs)) if inputs is not None else None,
        )


def _shape(value: Any) -> tuple[int, int, int]:
    channels, height, width = (int(side) for side in value)
    return channels, height, width
