"""From vectors to feature maps and back, in the order in which channels_last maps lie in memory.

Flattening such a map channel by channel, as torch's own modules do, copies it, and worse: the gradient comes
back in the other order, and the activation before it then walks two memory layouts at once, 10 to 20 times
slower (measured in bfloat16 on a CPU: 10 ms instead of 0.5 ms for 64 maps of 28×28×32).
"""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class ToMaps(nn.Module):
    """Vectors (N, H·W·C) -> maps (N, C, H, W), channels_last, without a copy."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.shape = (height, width, channels)

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors.view(-1, *self.shape).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return "height {}, width {}, channels {}".format(*self.shape)


@final
class ToVectors(nn.Module):
    """Maps (N, C, H, W) -> vectors (N, H·W·C); without a copy where the maps are channels_last."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)
