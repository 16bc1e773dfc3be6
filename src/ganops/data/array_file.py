"""Arrays that others wrote: `.npy` and `.npz`, read without unpickling anything."""

from __future__ import annotations

import os
import re
import tokenize
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ganops.data.regular import require_regular
from ganops.errors import DataRefused, SourceRefused, UserError

_WITH_KEY = re.compile(r"(?P<path>.+\.npz):(?P<key>[^/]+)", re.IGNORECASE)
_DAMAGED = (
    OSError, EOFError, ValueError, OverflowError, MemoryError, SyntaxError, NotImplementedError, RuntimeError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def is_array_file(spec: str) -> bool:
    """Whether a user's word names such a file: `x.npy`, `x.npz` or `x.npz:key`."""
    return spec.lower().endswith((".npy", ".npz")) or _WITH_KEY.fullmatch(spec) is not None


def read_array_file(spec: str) -> npt.NDArray[Any]:
    """The array in `x.npy` (memory-mapped), the only one in `x.npz`, or the one that `x.npz:key` names.

    Raises:
        UserError: there is no such file, no such key, or no key was given where there are several.
        SourceRefused: it is empty, damaged, holds no arrays, two of one name, or Python objects.
    """
    path, key = _place(spec)
    try:
        require_regular(path)
    except FileNotFoundError:
        raise UserError(f"There is no file '{path}'. Check the path.") from None
    if path.stat().st_size == 0:
        raise SourceRefused(f"{path} is empty: write it again.")
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return np.asarray(archive[_key(path, list(archive.files), key)])
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (DataRefused, UserError):
        raise
    except _DAMAGED as error:
        raise SourceRefused(_reason(path, error)) from None


def _place(spec: str) -> tuple[Path, str | None]:
    """The file, and the key where one was named."""
    match = _WITH_KEY.fullmatch(spec)
    if match is None or os.path.lexists(spec):
        return Path(spec), None
    return Path(match["path"]), match["key"]


def image_layout(shape: tuple[int, ...]) -> str | None:
    """How uint8 images of that shape lie, `NCHW`, `NHWC` or `NHW`; None where it is none of these."""
    if len(shape) == 3:
        return "NHW"
    if len(shape) == 4 and shape[1] in (1, 3):
        return "NCHW"
    return "NHWC" if len(shape) == 4 and shape[3] in (1, 3) else None


def as_nchw(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A view as (N, C, H, W) of images in any `image_layout`."""
    layout = image_layout(images.shape)
    assert layout is not None, images.shape
    if layout == "NHW":
        return images[:, None]
    return images if layout == "NCHW" else np.moveaxis(images, 3, 1)


def _key(path: Path, keys: list[str], wanted: str | None) -> str:
    if wanted is None and len(keys) == 1:
        return keys[0]
    if not keys:
        raise SourceRefused(f"{path} holds no arrays: write it again.")
    if twice := [name for name, count in Counter(keys).items() if count > 1]:
        raise SourceRefused(f"{path} holds several arrays of the name '{twice[0]}': write it again, each once.")
    there = ", ".join(keys[:20])
    if wanted is None and {"mu", "sigma"} <= set(keys):
        raise SourceRefused(
            f"{path} holds a mean and a covariance (mu, sigma), which say nothing of single images, so that no "
            "interval can be given. Pass the features or the images that they were computed of."
        )
    if wanted is None:
        raise UserError(f"{path} holds {len(keys)} arrays ({there}): name one, as {path}:{keys[0]}.")
    if wanted not in keys:
        raise UserError(f"{path} holds no array '{wanted}'; it holds {there}.")
    return wanted


def _reason(path: Path, error: BaseException) -> str:
    said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    takes_for_pickle = "pickled" in said  # numpy does so with whatever begins as no array does
    if "Object arrays" in said or "Python objects in dtype" in said or (takes_for_pickle and _is_pickle(path)):
        return (
            f"{path} holds Python objects, which are not read: unpickling would run whatever its author put there. "
            "Write plain numbers with numpy.save(…, allow_pickle=False)."
        )
    if takes_for_pickle:
        return f"{path} is no array file, whatever its name says: write it with numpy.save or numpy.savez."
    return f"{path} is no readable array file, or damaged ({said}): write it again."


def _is_pickle(path: Path) -> bool:
    """Of protocol 2 or later, by its first byte."""
    with path.open("rb") as file:
        return file.read(1) == b"\x80"
