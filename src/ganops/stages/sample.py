"""Images of a snapshot on one sheet for people: of one class, of each class, or together where it knows none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ganops.models.sampling import generate, images_by_class
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
    classes = snapshot.spec.occurring_classes
    if count is None and label is None:
        images_u8 = images_by_class(snapshot.generator, IMAGES, seed).numpy()
        write_by_class(path, images_u8, [snapshot.classes[number] for number in classes])
        return len(images_u8)
    count = count or IMAGES
    if label is not None or not classes or count < len(classes):
        write_grid(path, _images(snapshot, count, seed, label))
        return count
    each, more = divmod(count, len(classes))
    sizes = [each + (place < more) for place in range(len(classes))]
    rows = [
        SheetRow(snapshot.classes[number], _images(snapshot, size, seed, number))
        for number, size in zip(classes, sizes, strict=True)
    ]
    _write_rows(path, rows)
    return count


def write_by_class(path: Path, images_u8: npt.NDArray[np.uint8], classes: Sequence[str]) -> None:
    """Write what `images_by_class` returned to the PNG file `path`: a row for each of `classes` (the names of those
    that occur), a grid where there are none."""
    if classes:
        rows = np.split(images_u8, len(classes))
        _write_rows(path, [SheetRow(name, row) for name, row in zip(classes, rows, strict=True)])
    else:
        write_grid(path, images_u8)


def _write_rows(path: Path, rows: Sequence[SheetRow]) -> None:
    """As large as a grid, but no sheet is enlarged to more than twice as high as a grid is wide."""
    columns = max(len(row.images_u8) for row in rows)
    height, width = rows[0].images_u8.shape[2:]
    scale = min(default_scale(columns * (width + 1) + 1), 2 * TARGET_WIDTH // (len(rows) * (height + 1)))
    write_contact_sheet(path, rows, max(1, scale))


def _images(snapshot: Snapshot, count: int, seed: int, label: int | None) -> npt.NDArray[np.uint8]:
    return np.concatenate([batch.numpy() for batch in generate(snapshot.generator, count, seed, label=label)])
