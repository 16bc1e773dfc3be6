"""Images of a score that are worth a look: a draw of A, those farthest from B, those nearest to training images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.evaluation.distances import centred, squared_distances
from ganops.evaluation.threads import one_thread
from ganops.reports.score_picture import COLUMNS, Group, Strip
from ganops.stages.score import Score
from ganops.stages.score_looking import SHOWN, Seen
from ganops.stages.score_measuring import comparable_pixels

Rows = npt.NDArray[np.int64]


def neighbour_groups(score: Score) -> list[Group]:
    """Groups of images of A with their nearest in B as the extractor sees them, and, where there are any, in the
    training images as the pixels have it; none where A is features."""
    if score.sides["a"].images_u8 is None:
        return []
    with one_thread():
        return list(_groups(score.sides))


def _groups(sides: Mapping[str, Seen]) -> Iterator[Group]:
    a, b, train = sides["a"], sides["b"], sides.get("train")
    candidates = np.arange(min(len(a.order), SHOWN))
    to_b = _distances(a.features[candidates], b.features)
    to_train = None
    if train is not None and comparable_pixels(sides):
        to_train = _distances(a.pixels[candidates], train.pixels)

    def group(title: str, rows: Rows) -> Group:
        strips = [Strip("A", a.shown(rows))]
        if train is None or to_train is None:
            strips += _strips(("nearest in B", "second nearest"), b, to_b[rows])
        else:
            strips += _strips(("nearest in B",), b, to_b[rows])
            strips += _strips(("nearest in training",), train, to_train[rows])
        return Group(title, tuple(strips))

    yield group("Drawn at random", candidates[:COLUMNS])
    yield group(f"Farthest from B, of {len(candidates)}", _first(-to_b.amin(1)))
    if to_train is not None:
        held_out = sides.get("heldout", b)
        nearest = _distances(a.pixels[candidates], held_out.pixels).amin(1)
        closeness = to_train.amin(1) / (to_train.amin(1) + nearest).clamp(min=1e-12)
        yield group(f"Nearest to training images beside held-out ones, of {len(candidates)}", _first(closeness))


def _first(values: Tensor) -> Rows:
    """Of the smallest values, ascending."""
    return np.asarray(values.argsort(stable=True)[:COLUMNS].numpy())


def _strips(titles: Sequence[str], side: Seen, distances: Tensor) -> Iterator[Strip]:
    """The nearest, the second nearest and so on, where there are images to show."""
    if side.images_u8 is None or len(side.order) < len(side):
        return
    order = distances.topk(min(len(titles), distances.shape[1]), largest=False).indices
    for title, rows in zip(titles, order.T, strict=False):
        yield Strip(title, side.shown(np.asarray(rows.numpy())))


def _distances(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> Tensor:
    """Squared, float64 (len(ours), len(theirs))."""
    y, x = centred(theirs, ours)
    found = torch.empty(len(x), len(y), dtype=torch.float64)
    for part, block in squared_distances(x, y):
        found[part] = block
    return found
