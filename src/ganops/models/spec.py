"""What has to be known to build a generator or a discriminator again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

SMALLEST_SIDE, LARGEST_SIDE = 8, 256


@final
@dataclass(frozen=True)
class ModelSpec:
    """A network family at one image shape.

    image_shape: (C, H, W) with C 1 or 3, H and W 8 to 256.
    z_dim: length of the latent vector; H·W where the family's noise is an image (`Family.noise_image`).
    width: channels that every number of a family's layers is proportional to; see docs/models.md.
    class_shares: share of each class in the training data, in the order of their labels; () is unconditional.
    spectral_norm: on every convolution and dense layer of the discriminator.
    """

    family: str
    image_shape: tuple[int, int, int]
    z_dim: int
    width: int
    class_shares: tuple[float, ...] = ()
    spectral_norm: bool = False

    def __post_init__(self) -> None:
        channels, height, width = self.image_shape
        assert channels in (1, 3), self.image_shape
        assert all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (height, width)), self.image_shape
        assert self.z_dim > 0 and self.width > 0, self
        assert all(share >= 0 for share in self.class_shares), self.class_shares
        assert not self.class_shares or math.isclose(sum(self.class_shares), 1.0, abs_tol=1e-6), self.class_shares

    @property
    def num_classes(self) -> int:
        """0 when unconditional."""
        return len(self.class_shares)

    @property
    def occurring_classes(self) -> list[int]:
        """Numbers of the classes that are in the training data, ascending; none when unconditional."""
        return [label for label, share in enumerate(self.class_shares) if share > 0]

    @property
    def input_dim(self) -> int:
        """Length of what the generator's layers see: z, and beside it the embedding of the label if there is one."""
        return self.z_dim * (2 if self.class_shares else 1)

    @property
    def num_logits(self) -> int:
        """Outputs of the discriminator's last layer: one for each class, or one."""
        return max(1, self.num_classes)

    def to_json(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "image_shape": list(self.image_shape),
            "z_dim": self.z_dim,
            "width": self.width,
            "class_shares": list(self.class_shares),
            "spectral_norm": self.spectral_norm,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ModelSpec:
        """Raises KeyError, TypeError, ValueError or AssertionError for anything but what `to_json` wrote.

        The last two keys are younger than the others: without them a spec is unconditional, without spectral norm.
        """
        channels, height, width = (int(side) for side in value["image_shape"])
        return ModelSpec(
            str(value["family"]),
            (channels, height, width),
            int(value["z_dim"]),
            int(value["width"]),
            tuple(float(share) for share in value.get("class_shares", ())),
            bool(value.get("spectral_norm", False)),
        )
