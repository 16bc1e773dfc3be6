"""Images of a snapshot on one sheet for people: of one class, of each class, or together where it knows none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ganops.models.sampling import generate
from ganops.models.snapshot import Snapshot
from ganops.reports.grid import TARGET_WIDTH, SheetRow, default_scale, write_contact_sheet, write_grid

IMAGES = 64


def write_sample(path: Path, snapshot: Snapshot, seed: int, count: int | None = None, label: int | None = None) -> int:
    """Write images of `snapshot` to the PNG file `path`; returns how many.

    Unconditional, or of one class: a grid of `count`, by default 64. Of all classes: a row for each class that was
    trained on, with its name, and the same vectors in each row, so that a column differs in the class alone; `count`
    is dealt out to the rows and is by default the nearest to 64 that gives all rows the same. Too small a count for
    a row each: a grid in which classes have their shares of the training data.
    """
    classes = [number for number, share in enumerate(snapshot.spec.class_shares) if share > 0]
    if label is not None or not classes or (count is not None and count < len(classes)):
        count = count or IMAGES
        write_grid(path, _images(snapshot, count, seed, label))
        return count
    count = count or max(1, round(IMAGES / len(classes))) * len(classes)
    each, more = divmod(count, len(classes))
    sizes = [each + (place < more) for place in range(len(classes))]
    rows = [
        SheetRow(snapshot.classes[number], _images(snapshot, size, seed, number))
        for number, size in zip(classes, sizes, strict=True)
    ]
    write_contact_sheet(path, rows, _scale(snapshot, len(rows), max(sizes)))
    return count


def _images(snapshot: Snapshot, count: int, seed: int, label: int | None) -> npt.NDArray[np.uint8]:
    return np.concatenate([batch.numpy() for batch in generate(snapshot.generator, count, seed, label=label)])


def _scale(snapshot: Snapshot, rows: int, columns: int) -> int:
    """As for a grid, but no sheet is enlarged to more than twice as high as a grid is wide."""
    _, height, width = snapshot.spec.image_shape
    return max(1, min(default_scale(columns * (width + 1) + 1), 2 * TARGET_WIDTH // (rows * (height + 1))))
