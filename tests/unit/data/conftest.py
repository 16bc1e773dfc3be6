"""Small pictures and a store of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganops.data.sources import RawImage, Refusal
from ganops.layout import Layout

Picture = Callable[..., bytes]


@dataclass(frozen=True)
class Listed:
    """A source that is a list."""

    items: Sequence[RawImage | Refusal]
    name: str = "listed"

    @property
    def expected(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        return iter(self.items)


@pytest.fixture
def picture() -> Picture:
    """An encoded picture of noise: `picture(seed, width=…, height=…, mode=…, kind=…)`."""

    def make(seed: int = 0, width: int = 8, height: int = 8, mode: str = "L", kind: str = "PNG") -> bytes:
        noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).convert(mode).save(buffer, kind)
        return buffer.getvalue()

    return make


@pytest.fixture
def listed() -> type[Listed]:
    return Listed


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "workspace")
