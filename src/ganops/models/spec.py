"""What has to be known to build a generator or a discriminator again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

SMALLEST_SIDE, LARGEST_SIDE = 8, 128


@final
@dataclass(frozen=True)
class ModelSpec:
    """A network family at one image shape.

    image_shape: (C, H, W) with C 1 or 3, H and W 8 to 128.
    width: channels of the finest feature maps; coarser levels have up to eight times as many.
    """

    family: str
    image_shape: tuple[int, int, int]
    z_dim: int
    width: int

    def __post_init__(self) -> None:
        channels, height, width = self.image_shape
        assert channels in (1, 3), self.image_shape
        assert all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (height, width)), self.image_shape
        assert self.z_dim > 0 and self.width > 0, self

    def to_json(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "image_shape": list(self.image_shape),
            "z_dim": self.z_dim,
            "width": self.width,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ModelSpec:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        channels, height, width = (int(side) for side in value["image_shape"])
        return ModelSpec(str(value["family"]), (channels, height, width), int(value["z_dim"]), int(value["width"]))
