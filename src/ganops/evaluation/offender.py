"""A generated image that is suspiciously near to a training image, as `copies` finds it and reports keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Offender:
    """generated: its row. train: the training image's row. nearness: d_t / (d_t + d_h), of the squared distances to the
    nearest training and the nearest held-out image: 0 is a copy, 1/2 is usual.
    """

    generated: int
    train: int
    nearness: float
