"""The sizes that feature maps pass through, so that any height and width comes out exactly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import final

COARSEST = 7
"""A side is halved while it is longer than this, so that the coarsest maps have sides of 4 to 7."""

Size = tuple[int, int]


@final
@dataclass(frozen=True)
class Resampling:
    """Geometry of one strided convolution from `fine` to `coarse`, or transposed from `coarse` to `fine`.

    With padding 1 the kernel alone absorbs the parity, per axis: 4 where fine = 2·coarse,
    3 where fine = 2·coarse - 1, and 3 at stride 1 where the axis is not resampled. An odd kernel k with
    padding k // 2 goes down exactly by itself, and up with `output_padding`.
    """

    coarse: Size
    fine: Size

    @property
    def stride(self) -> Size:
        return _stride(self.coarse[0], self.fine[0]), _stride(self.coarse[1], self.fine[1])

    @property
    def kernel(self) -> Size:
        return _kernel(self.coarse[0], self.fine[0]), _kernel(self.coarse[1], self.fine[1])

    @property
    def output_padding(self) -> Size:
        """What a transposed convolution with an odd kernel adds to come out at `fine`: 0 or 1."""
        return int(self.fine[0] == 2 * self.coarse[0]), int(self.fine[1] == 2 * self.coarse[1])


def levels(height: int, width: int, coarsest: int = COARSEST) -> list[Size]:
    """Sizes from the coarsest to (height, width), each axis halved (rounding up) until it is at most `coarsest`."""
    sizes = [(height, width)]
    while max(sizes[0]) > coarsest:
        sizes.insert(0, (_halved(sizes[0][0], coarsest), _halved(sizes[0][1], coarsest)))
    return sizes


def resamplings(height: int, width: int, coarsest: int = COARSEST) -> list[Resampling]:
    """The steps between `levels`, coarsest first."""
    return steps_between(levels(height, width, coarsest))


def halvings(height: int, width: int, count: int) -> list[Size]:
    """Sizes from the coarsest to (height, width), both axes halved (rounding up) `count` times."""
    sizes = [(height, width)]
    for _ in range(count):
        sizes.insert(0, ((sizes[0][0] + 1) // 2, (sizes[0][1] + 1) // 2))
    return sizes


def steps_between(sizes: list[Size]) -> list[Resampling]:
    """The steps from each size to the next, coarsest first."""
    return [Resampling(coarse, fine) for coarse, fine in pairwise(sizes)]


def channels(width: int, count: int, largest: int = 8) -> list[int]:
    """Channels of `count` levels, coarsest first: `width` at the finest, doubling, at most `largest` times it."""
    return [width * min(2**level, largest) for level in reversed(range(count))]


def _halved(side: int, coarsest: int) -> int:
    return (side + 1) // 2 if side > coarsest else side


def _stride(coarse: int, fine: int) -> int:
    return 1 if coarse == fine else 2


def _kernel(coarse: int, fine: int) -> int:
    return 4 if fine == 2 * coarse else 3
