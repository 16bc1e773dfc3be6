"""The verb `models`: the families of networks."""

from __future__ import annotations

import re
from pathlib import Path

from ganops.errors import UserError, WorkspaceError
from ganops.reports.terminal import print_json, results_console
from ganops.workspace import find, load

DEFAULT_SHAPE = (1, 28, 28)
"""(C, H, W) that `models` counts at where nothing says otherwise."""


def table(start: Path, size: str | None, json: bool) -> None:
    from ganops.reports.families import family_rows, print_families

    image_shape = shape_to_show(start, size)
    rows = family_rows(image_shape)
    if all(row.refusal for row in rows):
        channels, height, width = image_shape
        raise UserError(
            f"No family can do {height}x{width}x{channels} (height, width, channels): all need 1 or 3 channels, and "
            f"{rows[0].family.sizes}. "
            "Choose another size with --size, or data.image_size and data.channels in params.yaml."
        )
    if json:
        print_json({"image_shape": list(image_shape), "families": [row.to_json() for row in rows]})
    else:
        print_families(results_console(), image_shape, rows)


def shape_to_show(start: Path, size: str | None) -> tuple[int, int, int]:
    """(C, H, W): the size that was given, else the workspace's, else one channel of 28x28."""
    return _workspace_shape(start) if size is None else _given_shape(size)


def _given_shape(size: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})(?:x([0-9]{1,2}))?", size)
    if match is None:
        raise UserError(f"'--size {size}' is no image size. Write HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, as 32x32x3.")
    return int(match[3] or 1), int(match[1]), int(match[2])


def _workspace_shape(start: Path) -> tuple[int, int, int]:
    """As params.yaml says; what it leaves open, as prepared."""
    from ganops.data import prepared

    try:
        layout = find(start)
    except WorkspaceError:
        return DEFAULT_SHAPE
    wanted = load(layout).config.data
    is_prepared = (layout.prepared / prepared.DATASET).exists()
    channels, height, width = prepared.load(layout.prepared).image_shape if is_prepared else DEFAULT_SHAPE
    height, width = wanted.image_size or (height, width)
    return wanted.channels or channels, height, width
