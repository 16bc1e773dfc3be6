"""Everything that has to be equal for two scores to be comparable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, final

import numpy
import torch

import ganops

_NOT_COMPARED = ("libraries",)


def _libraries() -> dict[str, str]:
    return {"ganops": ganops.__version__, "torch": torch.__version__, "numpy": numpy.__version__}


@final
@dataclass(frozen=True)
class Protocol:
    """How a sample was made and looked at.

    score: what its Fréchet distance is called. preprocessing: of the images that the generator was trained on.
    num_images: generated; num_reference: real. seed: of the latents. libraries: recorded, not compared.
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
    libraries: Mapping[str, str] = field(default_factory=_libraries)

    def first_difference(self, other: Protocol) -> str | None:
        """The first field in which scores would not be comparable."""
        names = (item.name for item in fields(self) if item.name not in _NOT_COMPARED)
        return next((name for name in names if getattr(self, name) != getattr(other, name)), None)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "libraries": dict(self.libraries)}

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
            libraries={str(name): str(version) for name, version in value["libraries"].items()},
        )
