"""scikit-learn's handwritten digits: 1,797 real images of 8x8 pixels that come with the package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from ganops.data.pixels import encode_png
from ganops.data.sources.base import RawImage, Refusal
from ganops.errors import SourceRefused


@final
class Digits:
    """Optical recognition of handwritten digits (UCI), labels `0` to `9`, no split of its own."""

    name = "digits"
    expected = 1797

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise SourceRefused(
                "The source 'digits' comes with scikit-learn, which is not installed here: "
                "run `pip install 'ganops[demo]'`, or pass a folder of your own images."
            ) from None
        digits = load_digits()
        # grey levels 0..16, white ink on black
        pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
            yield RawImage(encode_png(image), f"{index:04d}.png", str(label))
