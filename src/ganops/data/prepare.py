"""From accepted raw images to arrays: which pixels, which split, which label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from ganops.config import DataConfig, SplitConfig
from ganops.data.manifest import iterate
from ganops.data.pixels import GREY_MODES, Undecodable, decode, to_grey, to_rgb
from ganops.data.prepared import write_dataset
from ganops.data.split import SPLITS, Split, assign
from ganops.errors import ConfigError, DataRefused, TooFewImages
from ganops.progress import Progress

MIN_SIDE, MAX_SIDE = 8, 256
MINIMUM: dict[Split, int] = {"train": 100, "select": 80, "test": 80}
"""Fewer train nothing, or measure nothing."""


@final
@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first image is decoded."""

    image_shape: tuple[int, int, int]
    """(C, H, W)"""
    classes: tuple[str, ...]
    rows: dict[Split, list[int]]
    """Rows of the raw manifest, in raw order."""
    labels: dict[Split, list[int]]
    """Index into `classes`, -1 where unlabelled."""
    ids: dict[Split, list[str]]
    """Hex sha256."""
    preprocessing: str


def plan(manifest: pa.Table, accepted: npt.NDArray[np.uint8], config: DataConfig) -> Plan:
    """Choose image shape, classes and splits from facts alone.

    Args:
        manifest: schema `ganops.data.manifest.MANIFEST`.
        accepted: uint8 (N, 32), the images that may be used.

    Raises:
        ConfigError: the images are of several sizes, or of one outside 8-256, and `data.image_size` is not set.
        TooFewImages: a split would be too small.
        DataRefused: the accepted images are not (all) in the raw store.
    """
    use = _accepted_rows(manifest, accepted)
    facts = manifest.take(use)
    height, width = config.image_size or _common_size(facts)
    channels = config.channels or _common_channels(facts)
    digests, labels = facts.column("sha256").to_pylist(), facts.column("label").to_pylist()
    classes = class_names(labels)
    index = {name: number for number, name in enumerate(classes)}
    rows: dict[Split, list[int]] = {name: [] for name in SPLITS}
    split_labels: dict[Split, list[int]] = {name: [] for name in SPLITS}
    ids: dict[Split, list[str]] = {name: [] for name in SPLITS}
    source_splits = facts.column("split").to_pylist()
    _check_source_split(source_splits, config.split)
    for row, digest, label, source_split in zip(use, digests, labels, source_splits, strict=True):
        split = assign(digest, source_split, config.split)
        rows[split].append(row)
        split_labels[split].append(-1 if label is None else index[label])
        ids[split].append(digest)
    _check_counts({name: len(rows[name]) for name in SPLITS}, config.split)
    kind = "rgb" if channels == 3 else "grey"
    return Plan(
        (channels, height, width), classes, rows, split_labels, ids, f"cover-centre-lanczos-{kind}-{height}x{width}@1"
    )


def write(raw: Path, plan: Plan, config: DataConfig, folder: Path, progress: Progress) -> None:
    """Decode the planned images and write all files of `ganops.data.prepared` into the existing `folder`."""
    counts = {name: len(plan.rows[name]) for name in SPLITS}
    _write_images(raw, plan, folder, progress)
    for name in SPLITS:
        np.save(folder / name / "labels.npy", np.array(plan.labels[name], np.int64))
        np.save(folder / name / "ids.npy", digests_to_array(plan.ids[name]))
    split = config.split.model_dump(mode="json")
    write_dataset(folder, plan.image_shape, plan.classes, counts, split, plan.preprocessing)


def fit(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scale (antialiased) until the picture covers height x width, and cut the middle out: one resampling for both."""
    if image.size == (width, height):
        return image
    scale = min(image.width / width, image.height / height)
    crop_width, crop_height = width * scale, height * scale
    left, top = (image.width - crop_width) / 2, (image.height - crop_height) / 2
    box = (left, top, min(left + crop_width, image.width), min(top + crop_height, image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


def pixels(data: bytes, image_shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """An encoded image as uint8 of `image_shape` (C, H, W), 0-255."""
    channels, height, width = image_shape
    image = decode(data)
    if channels == 1:
        return np.asarray(fit(to_grey(image), height, width))[None]
    return np.asarray(fit(to_rgb(image), height, width)).transpose(2, 0, 1)


def digests_to_array(digests: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Hex sha256s as uint8 (N, 32)."""
    return np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, 32)


def _write_images(raw: Path, plan: Plan, folder: Path, progress: Progress) -> None:
    target: dict[int, tuple[Split, int]] = {}
    arrays: dict[Split, np.memmap[tuple[int, ...], np.dtype[np.uint8]]] = {}
    for name in SPLITS:
        (folder / name).mkdir()
        shape = (len(plan.rows[name]), *plan.image_shape)
        arrays[name] = np.lib.format.open_memmap(folder / name / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        target.update((row, (name, position)) for position, row in enumerate(plan.rows[name]))
    for done, image in enumerate(iterate(raw, target.keys())):
        split, position = target[image.row]
        try:
            arrays[split][position] = pixels(image.data, plan.image_shape)
        except Undecodable as error:
            raise DataRefused(
                f"Image {image.row} in {raw} can no longer be decoded ({error}): run `ganops validate` again."
            ) from None
        if done % 500 == 0:
            progress(done, len(target), "preparing images")
    for array in arrays.values():
        array.flush()
    progress(len(target), len(target), "preparing images")


def _accepted_rows(manifest: pa.Table, accepted: npt.NDArray[np.uint8]) -> list[int]:
    wanted = {digest.tobytes().hex() for digest in accepted}
    digests = manifest.column("sha256").to_pylist()
    rows = [row for row, digest in enumerate(digests) if digest in wanted]
    if len({digests[row] for row in rows}) < len(wanted):
        raise DataRefused(
            "data/validated does not belong to data/raw: images that were accepted are no longer there. "
            "Run `ganops validate` again."
        )
    return rows


def _common_size(facts: pa.Table) -> tuple[int, int]:
    """The images' own (height, width), if it is one and can be trained on."""
    sizes = Counter(zip(facts.column("height").to_pylist(), facts.column("width").to_pylist(), strict=True))
    if len(sizes) > 1:
        found = ", ".join(f"{h}x{w} ({count})" for (h, w), count in sizes.most_common(5))
        more = f" and {len(sizes) - 5} more" if len(sizes) > 5 else ""
        raise ConfigError(
            f"The images are of {len(sizes)} sizes (height x width: {found}{more}), and data.image_size in "
            f"params.yaml is null. Set data.image_size: [HEIGHT, WIDTH], each {MIN_SIDE} to {MAX_SIDE}, to which they "
            "are scaled and centre-cropped."
        )
    height, width = next(iter(sizes), (MIN_SIDE, MIN_SIDE))
    if not (MIN_SIDE <= height <= MAX_SIDE and MIN_SIDE <= width <= MAX_SIDE):
        raise ConfigError(
            f"The images are {height}x{width} pixels (height x width), and data.image_size in params.yaml is null, "
            f"which keeps that size; sizes from {MIN_SIDE} to {MAX_SIDE} can be trained on. "
            "Set data.image_size: [HEIGHT, WIDTH]."
        )
    return height, width


def _common_channels(facts: pa.Table) -> int:
    modes = facts.column("mode").to_pylist()
    grey = sum(mode in GREY_MODES for mode in modes)
    return 1 if 2 * grey > len(modes) else 3


def class_names(labels: Sequence[str | None]) -> tuple[str, ...]:
    """The different labels, sorted; as numbers where all of them are numbers, so that 10 follows 9."""
    names = {label for label in labels if label is not None}
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (len(name.lstrip("0")), name.lstrip("0"), name)))
    return tuple(sorted(names))


def _check_source_split(source_splits: Sequence[str | None], config: SplitConfig) -> None:
    if config.by == "source" and "test" not in source_splits:
        raise ConfigError(
            "data.split.by is 'source' in params.yaml, but no source that was added has test images of its own. "
            "Set data.split.by: hash."
        )


def _check_counts(counts: dict[Split, int], config: SplitConfig) -> None:
    small = [name for name in SPLITS if counts[name] < MINIMUM[name]]
    if small:
        found = ", ".join(f"{name} {counts[name]} (at least {MINIMUM[name]})" for name in SPLITS)
        raise TooFewImages(
            f"Too few images for the split in {' and '.join(small)}: {found}. Add images with `ganops data add`, "
            f"or change data.split.select ({config.select:g}) and data.split.test ({config.test:g}) in params.yaml; "
            "with the default shares about 700 images suffice."
        )
