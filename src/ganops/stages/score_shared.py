"""How many images or features of one side are among those of another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ganops.stages.score_inputs import Features, Images, Input, Pinned
from ganops.stages.score_looking import Seen

Prints = npt.NDArray[np.uint64]


@final
class Shared:
    """What the sides of a score have in common.

    Images are told by their pixels, features by their numbers, a workspace's held-out images, which are not there, by
    the digests of the files that they came in, and its training images by the small pixels that it keeps of them.
    """

    def __init__(self, inputs: Mapping[str, Input], sides: Mapping[str, Seen]) -> None:
        self._inputs, self._sides = inputs, sides
        self._printed = cache(self._prints)  # each is asked for several times, and takes a look at all of it

    def count(self, one: str, other: str) -> tuple[int, int] | None:
        """Of `one` how many are among those of `other`, and how many it has; None where nobody can tell."""
        if one not in self._inputs or other not in self._inputs:
            return None
        kind = self._kind(one, other)
        if kind is None:
            return None
        ours, theirs = self._printed(one, kind), self._printed(other, kind)
        return int(np.isin(ours, theirs).sum()), len(ours)

    def _kind(self, one: str, other: str) -> str | None:
        """What both can be told by."""
        pair = self._inputs[one], self._inputs[other]
        if all(isinstance(item, Images) for item in pair):
            return "images"
        if all(isinstance(item, Features) for item in pair):
            return "features"
        if not all(isinstance(item, Images | Pinned) for item in pair):
            return None
        if "train" not in (one, other):
            return "origins"
        pixels = [self._sides[role].pixels for role in (one, other)]
        alike = all(each.size for each in pixels) and pixels[0].shape[1] == pixels[1].shape[1]
        return "pixels" if alike else None

    def _prints(self, role: str, kind: str) -> Prints:
        item = self._inputs[role]
        if kind == "images" and isinstance(item, Images):
            return item.images.fingerprints()
        if kind == "features" and isinstance(item, Features):
            return row_prints(item.features)
        if kind == "origins" and isinstance(item, Images | Pinned):
            return item.origins()
        return row_prints(self._sides[role].pixels)


def row_prints(rows: npt.NDArray[Any]) -> Prints:
    """A hash of each row (n, d) of floating-point numbers, (n,): equal where they are, in whatever precision."""
    found = (hashlib.blake2b((row.astype(np.float64) + 0.0).tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(b"".join(found), np.uint64)
