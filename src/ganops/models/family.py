"""What a family of networks is: two functions from a spec to layers, and what has to be known to choose it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import nn

from ganops.models.spec import LARGEST_SIDE, SMALLEST_SIDE, ModelSpec


@final
@dataclass(frozen=True)
class Family:
    """Two functions from a spec to a list of layers: the list is the architecture.

    generator: layers from z (N, input_dim) to images (N, C, H, W).
    discriminator: layers from images (N, C, H, W) to logits (N, num_logits) or (N, num_logits, H', W').
    source: the paper, or "classic".
    trained: objective and optimiser as in the source.
    good_for: one sentence for who has to choose.
    default_width, default_z_dim: give the source's numbers of channels; `None`, where the noise is an image.
    batch_norm: the discriminator mixes the images of a batch, so that a gradient penalty on one image is undefined.
    generator_batch_norm: the generator does, so that a batch cut in parts is another batch.
    promotable: may become a champion; `False` for baselines.
    spectral_norm: the discriminator has it whether asked for or not.
    largest_pixels: most H·W that it can do.
    """

    generator: Callable[[ModelSpec], list[nn.Module]]
    discriminator: Callable[[ModelSpec], list[nn.Module]]
    title: str
    source: str
    trained: str
    good_for: str
    default_width: int
    default_z_dim: int | None
    batch_norm: bool = False
    generator_batch_norm: bool = False
    promotable: bool = True
    spectral_norm: bool = False
    largest_pixels: int = LARGEST_SIDE**2

    @property
    def noise_image(self) -> bool:
        """z is an image of the output's size: z_dim is H·W."""
        return self.default_z_dim is None

    @property
    def sizes(self) -> str:
        """Which sizes are possible, in words."""
        sides = f"heights and widths from {SMALLEST_SIDE} to {LARGEST_SIDE}"
        if self.largest_pixels == LARGEST_SIDE**2:
            return sides
        side = int(self.largest_pixels**0.5)
        return f"{sides}, at most {self.largest_pixels:,} pixels in all ({side}x{side})"

    def refusal(self, image_shape: tuple[int, int, int]) -> str | None:
        """None when the family can do images (C, H, W); else a phrase that says which it can."""
        channels, height, width = image_shape
        if channels not in (1, 3):
            return "it does images of 1 or 3 channels"
        possible = all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (height, width))
        return None if possible and height * width <= self.largest_pixels else f"it does {self.sizes}"
