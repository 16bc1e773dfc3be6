"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; MIT licence) by download, checked against known digests."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import urllib.request
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import final

from ganops.data.sources.base import BareImage, RawImage, Refusal
from ganops.data.sources.idx import IdxFolder
from ganops.errors import SourceRefused, Unreachable
from ganops.files import cache_folder

BASE_URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion"
MD5_UNCOMPRESSED = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
_TIMEOUT_SECONDS = 30.0
_BLOCK = 2**20
_MAX_BYTES = 100 * 2**20


@final
class FashionMnist:
    """70,000 grey images of clothes, 28x28, with the source's split; fetched once into the user's cache folder."""

    name = "fashion-mnist"
    expected = 70_000

    def __init__(self, base_url: str = BASE_URL, cache: Path | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._cache = cache or cache_folder() / "fashion-mnist"

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        return (image.encoded() for image in self.bare())

    def bare(self) -> Iterator[BareImage]:
        for name, digest in MD5_UNCOMPRESSED.items():
            target = self._cache / f"{name}.gz"
            if not (target.is_file() and _matches(target, digest)):
                _fetch(f"{self._base_url}/{target.name}", target, digest)
        yield from IdxFolder(self._cache, name=self.name).bare()


def _fetch(url: str, target: Path, digest: str) -> None:
    advice = (
        "Where this machine has no way out, fetch the four files of Fashion-MNIST elsewhere and name the folder that "
        "holds them instead: `ganops data add FOLDER`, or `ganops score FOLDER B`."
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise SourceRefused(f"The cache folder {target.parent} cannot be written: {error.strerror or error}.") from None
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
            shutil.copyfileobj(answer, file, _BLOCK)
        if not _matches(Path(temporary), digest):
            raise SourceRefused(f"What came from {url} is not Fashion-MNIST: its MD5 differs from {digest}. {advice}")
        Path(temporary).replace(target)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        why = getattr(reason, "strerror", None) or reason
        raise Unreachable(f"{url} could not be fetched ({why}). {advice}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _matches(path: Path, digest: str) -> bool:
    """Whether the unpacked content has that MD5: identity against a list, not protection against forgery."""
    md5, size = hashlib.md5(usedforsecurity=False), 0
    try:
        with gzip.open(path, "rb") as file:
            while (block := file.read(_BLOCK)) and size <= _MAX_BYTES:
                md5.update(block)
                size += len(block)
    except (OSError, EOFError, zlib.error):
        return False
    return md5.hexdigest() == digest
