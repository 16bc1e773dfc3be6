"""What is in the raw store, for a person: counts, and a choice of images to look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from ganops.data.manifest import iterate, read_manifest, shards
from ganops.data.pixels import GREY_MODES, Undecodable, decode, to_grey, to_rgb
from ganops.data.sizes import most_frequent

MAX_TILE = 128


@final
@dataclass(frozen=True)
class RawSummary:
    """Counts of images by what they are; most frequent first, labels by name."""

    images: int
    shards: int
    stored_bytes: int
    sizes: dict[str, int]
    """By `WIDTHxHEIGHT`, as `most_frequent` leaves them."""
    size_count: int
    """How many different sizes there are."""
    modes: dict[str, int]
    labels: dict[str, int]
    unlabelled: int
    sources: dict[str, int]
    splits: dict[str, int]
    """The sources' own splits, where they have one."""
    mean_brightness: float
    """Grey levels, 0-255."""
    mean_contrast: float


@final
@dataclass(frozen=True, eq=False)
class Sample:
    """Some images of one label."""

    label: str | None
    images_u8: npt.NDArray[np.uint8]
    """(N, C, T, T), 0-255, C of 1 or 3; shown whole, on white where not square."""


def summarise(raw: Path) -> RawSummary:
    """Count what the store holds; reads no image bytes.

    Raises:
        UserError: there is no store yet.
    """
    manifest = read_manifest(raw)
    measured = zip(manifest.column("width").to_pylist(), manifest.column("height").to_pylist(), strict=True)
    sizes = Counter(f"{width}x{height}" for width, height in measured)
    labels = Counter(manifest.column("label").to_pylist())
    splits = Counter(manifest.column("split").to_pylist())
    return RawSummary(
        images=manifest.num_rows,
        shards=len(shards(raw)),
        stored_bytes=sum(path.stat().st_size for path in shards(raw)),
        sizes=most_frequent(sizes),
        size_count=len(sizes),
        modes=dict(Counter(manifest.column("mode").to_pylist()).most_common()),
        labels={label: labels[label] for label in sorted(filter(None, labels))},
        unlabelled=labels[None],
        sources=dict(Counter(manifest.column("source").to_pylist()).most_common()),
        splits={split: splits[split] for split in sorted(filter(None, splits))},
        mean_brightness=float(np.mean(manifest.column("brightness").to_numpy())),
        mean_contrast=float(np.mean(manifest.column("contrast").to_numpy())),
    )


def choose(raw: Path, per_row: int = 10, max_rows: int = 20) -> list[Sample]:
    """Images for a contact sheet: up to `per_row` of each label, or `per_row` rows of unlabelled ones.

    The choice is by content (smallest sha256 first), so it looks random and is the same every time.

    Raises:
        UserError: there is no store yet.
    """
    manifest = read_manifest(raw)
    chosen = _chosen_rows(manifest, per_row, max_rows)
    wanted = {row for _, rows in chosen for row in rows}
    data = {image.row: image.data for image in iterate(raw, wanted)}
    facts = manifest.take(sorted(wanted))
    grey = all(mode in GREY_MODES for mode in facts.column("mode").to_pylist())
    longest = max(facts.column("width").to_pylist() + facts.column("height").to_pylist())
    side = min(longest, MAX_TILE)
    return [Sample(label, np.stack([_tile(data[row], side, grey) for row in rows])) for label, rows in chosen]


def _chosen_rows(manifest: pa.Table, per_row: int, max_rows: int) -> list[tuple[str | None, list[int]]]:
    digests = manifest.column("sha256").to_pylist()
    by_label: dict[str | None, list[int]] = {}
    for row, label in enumerate(manifest.column("label").to_pylist()):
        by_label.setdefault(label, []).append(row)
    chosen: list[tuple[str | None, list[int]]] = []
    for label in sorted(by_label, key=lambda name: (name is None, name)):
        rows_here = per_row if len(by_label) == 1 and label is None else 1
        rows = sorted(by_label[label], key=lambda row: digests[row])[: per_row * rows_here]
        chosen += [(label, rows[start : start + per_row]) for start in range(0, len(rows), per_row)]
    return chosen[:max_rows]


def _tile(encoded: bytes, side: int, grey: bool) -> npt.NDArray[np.uint8]:
    """The whole image on a white square, uint8 (C, side, side); a crossed-out one where it no longer decodes."""
    try:
        image = to_grey(decode(encoded)) if grey else to_rgb(decode(encoded))
    except Undecodable:
        broken = np.maximum(np.eye(side, dtype=np.uint8), np.eye(side, dtype=np.uint8)[::-1])
        return np.repeat((255 - 255 * broken)[None], 1 if grey else 3, axis=0)
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    tile = Image.new(image.mode, (side, side), 255 if grey else (255, 255, 255))
    tile.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    pixels = np.asarray(tile)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)
