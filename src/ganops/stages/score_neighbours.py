"""Images of a score that are worth a look: a draw of A, those farthest from B, those nearest to training images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.evaluation.conventions import PAIRWISE_LIMIT
from ganops.evaluation.distances import centred, nearest, squared_distances
from ganops.evaluation.threads import one_thread
from ganops.reports.score_picture import COLUMNS, Group, Strip
from ganops.stages.score import Score
from ganops.stages.score_looking import Rows, Seen
from ganops.stages.score_measuring import comparable_pixels


def neighbour_groups(score: Score) -> list[Group]:
    """Groups of images of A with their nearest in B as the extractor sees them, and, where there are any, in the
    training images as the pixels have it; none where A is features.

    Of all of A those nearest to training images are found, of its first `PAIRWISE_LIMIT`, which are as good as any,
    those farthest from B.
    """
    with one_thread():
        return list(_groups(score.sides))


def _groups(sides: Mapping[str, Seen]) -> Iterator[Group]:
    a, b, train = sides["a"], sides["b"], sides.get("train")
    show = a.shown
    if show is None:
        return
    with_features = a.features.shape[1] > 0  # else only pixels are asked for
    with_training = train is not None and comparable_pixels(sides)

    def group(title: str, rows: Rows) -> Group:
        strips = [Strip("A", show(rows))]
        if with_features:
            titles = ("nearest in B",) if with_training else ("nearest in B", "second nearest")
            strips += _strips(titles, b, _distances(a.features[rows], b.features))
        if train is not None and with_training:
            strips += _strips(("nearest in training",), train, _distances(a.pixels[rows], train.pixels))
        return Group(title, tuple(strips))

    yield group("Drawn at random", np.arange(min(len(a), COLUMNS)))
    if with_features:
        few = a.features[:PAIRWISE_LIMIT]
        yield group(f"Farthest from B, of {len(few):,}", _first(-_to_nearest(few, b.features)))
    if train is not None and with_training:
        to_train, to_held_out = (_to_nearest(a.pixels, side.pixels) for side in (train, sides.get("heldout", b)))
        closeness = to_train / (to_train + to_held_out).clamp(min=1e-12)
        yield group(f"Nearest to training images beside held-out ones, of {len(a):,}", _first(closeness))


def _first(values: Tensor) -> Rows:
    """Of the smallest values, ascending."""
    return np.asarray(values.argsort(stable=True)[:COLUMNS].numpy())


def _strips(titles: Sequence[str], side: Seen, distances: Tensor) -> Iterator[Strip]:
    """The nearest, the second nearest and so on, where there are images to show."""
    if side.shown is None:
        return
    order = distances.topk(min(len(titles), distances.shape[1]), largest=False).indices
    for title, rows in zip(titles, order.T, strict=False):
        yield Strip(title, side.shown(np.asarray(rows.numpy())))


def _to_nearest(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> Tensor:
    """Squared, float64 (len(ours),)."""
    y, x = centred(theirs, ours)
    return nearest(x, y)[0]


def _distances(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> Tensor:
    """Squared, float64 (len(ours), len(theirs))."""
    y, x = centred(theirs, ours)
    found = torch.empty(len(x), len(y), dtype=torch.float64)
    for part, block in squared_distances(x, y):
        found[part] = block
    return found
