"""Images of a score that are worth a look: a draw of A, those farthest from B, those nearest to training images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.evaluation.distances import centred, squared_distances
from ganops.evaluation.threads import one_thread
from ganops.reports.score_picture import COLUMNS, Group, Strip
from ganops.stages.score import Score
from ganops.stages.score_looking import SHOWN, Seen

Rows = npt.NDArray[np.int64]


def neighbour_groups(score: Score) -> list[Group]:
    """Groups of images of A with their nearest in B, and in the training images where there are any; none where A is
    features. Near is what the extractor finds alike."""
    a, b, train = score.sides["a"], score.sides["b"], score.sides.get("train")
    if a.images_u8 is None:
        return []
    with one_thread():
        return list(_groups(a, b, train))


def _groups(a: Seen, b: Seen, train: Seen | None) -> Iterator[Group]:
    candidates = np.arange(min(len(a.order), SHOWN))
    to_b = _distances(a, candidates, b)
    to_train = _distances(a, candidates, train) if train is not None else None

    def group(title: str, rows: Rows) -> Group:
        strips = [Strip("A", a.shown(rows))]
        if train is None or to_train is None:
            strips += _strips(("nearest in B", "second nearest"), b, to_b[rows])
        else:
            strips += _strips(("nearest in B",), b, to_b[rows])
            strips += _strips(("nearest in training",), train, to_train[rows])
        return Group(title, tuple(strips))

    nearest_in_b = to_b.amin(1)
    yield group("Drawn at random", candidates[:COLUMNS])
    yield group(f"Farthest from B, of {len(candidates)}", _first(-nearest_in_b))
    if to_train is not None:
        closeness = to_train.amin(1) / nearest_in_b.clamp(min=1e-12)
        yield group(f"Nearest to training images, measured by how near B is, of {len(candidates)}", _first(closeness))


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


def _distances(a: Seen, rows: Rows, other: Seen) -> Tensor:
    """Squared, (len(rows), all of the other)."""
    theirs, ours = centred(other.features, a.features[rows])
    found = torch.empty(len(ours), len(theirs), dtype=torch.float64)
    for part, block in squared_distances(ours, theirs):
        found[part] = block
    return found
