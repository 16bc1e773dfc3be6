"""Everything that has to be equal for two scores to be comparable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from typing import Any, final

import ganops
from ganops.evaluation.conventions import CONVENTIONS

_NOT_COMPARED = ("libraries",)


def _libraries() -> dict[str, str]:
    return {"ganops": ganops.__version__, "torch": version("torch"), "numpy": version("numpy")}


@final
@dataclass(frozen=True)
class Protocol:
    """How a sample was made and looked at.

    score: what its Fréchet distance is called. preprocessing: of the images that the generator was trained on.
    num_images: generated; num_reference: real. seed: of the latents. libraries: recorded, not compared.
    extractor_accuracy: held-out, of its own task; None where it has none. grey_repeated: to the three channels that
    the extractor takes. dtype: of images and network on the way to the features; all behind them is float64.
    device: where the features were computed. conventions: of the metrics: neighbours, limits, seeds of draws.
    """

    score: str
    extractor: str
    extractor_sha256: str
    preprocessing: str
    split: str
    reference_hash: str
    num_images: int
    num_reference: int
    seed: int
    metric_version: int
    extractor_accuracy: float | None = None
    grey_repeated: bool = False
    dtype: str = "float32"
    device: str = "cpu"
    conventions: Mapping[str, int | float] = field(default_factory=lambda: CONVENTIONS)
    libraries: Mapping[str, str] = field(default_factory=_libraries)

    def first_difference(self, other: Protocol) -> str | None:
        """The first field in which scores would not be comparable."""
        names = (item.name for item in fields(self) if item.name not in _NOT_COMPARED)
        return next((name for name in names if getattr(self, name) != getattr(other, name)), None)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "conventions": dict(self.conventions), "libraries": dict(self.libraries)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Protocol:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        return Protocol(
            score=str(value["score"]),
            extractor=str(value["extractor"]),
            extractor_sha256=str(value["extractor_sha256"]),
            preprocessing=str(value["preprocessing"]),
            split=str(value["split"]),
            reference_hash=str(value["reference_hash"]),
            num_images=int(value["num_images"]),
            num_reference=int(value["num_reference"]),
            seed=int(value["seed"]),
            metric_version=int(value["metric_version"]),
            extractor_accuracy=None if value["extractor_accuracy"] is None else float(value["extractor_accuracy"]),
            grey_repeated=bool(value["grey_repeated"]),
            dtype=str(value["dtype"]),
            device=str(value["device"]),
            conventions={str(name): _number(number) for name, number in value["conventions"].items()},
            libraries={str(name): str(version) for name, version in value["libraries"].items()},
        )


def _number(value: object) -> int | float:
    if isinstance(value, int | float):
        return value
    raise TypeError(f"{value!r} is no number")
