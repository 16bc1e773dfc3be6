from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganops.data import pixels as pixels_module
from ganops.data.facts import measure
from ganops.data.pixels import Undecodable, decode, encode_png, to_grey, to_rgb


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_common_mode_becomes_grey_and_rgb(mode: str) -> None:
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = grey.convert("P" if mode == "P" else "RGB").convert(mode)
    back = decode(encoded(image, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"))
    assert to_grey(back).mode == "L"
    assert to_rgb(back).mode == "RGB"
    if mode != "1":
        assert np.abs(np.asarray(to_grey(back)).astype(int) - np.asarray(grey)).max() <= 4


def test_sixteen_bits_are_scaled_not_cut() -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    image = decode(encoded(Image.fromarray(values)))
    assert np.asarray(to_grey(image)).tolist() == [[0, 1, 128, 255]]
    assert np.asarray(to_rgb(image))[0, :, 1].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0)).convert(mode)
    assert np.asarray(to_grey(decode(encoded(clear)))).min() == 255
    assert np.asarray(to_rgb(decode(encoded(clear)))).min() == 255


def test_a_palettes_transparent_entry_is_laid_on_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert np.asarray(to_rgb(decode(encoded(image, transparency=0)))).min() == 255


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter
    assert decode(encoded(Image.new("RGB", (10, 4)), "JPEG", exif=exif)).size == (4, 10)


def test_png_pixels_survive_and_bytes_repeat() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(decode(encode_png(noise))), noise)
    assert encode_png(noise) == encode_png(noise)


def test_a_picture_of_too_many_pixels_is_refused_undecoded(
    picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels_module, "MAX_PIXELS", 100)
    with pytest.raises(Undecodable, match="20x20 pixels"):
        decode(picture(width=20, height=20))


@pytest.mark.filterwarnings("error")
def test_pillows_own_limits_are_refusals_too(picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    decode(picture(width=12, height=12))  # Pillow warns up to twice the limit
    with pytest.raises(Undecodable, match="exceeds limit"):
        decode(picture(width=20, height=20))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_truncation_anywhere_is_undecodable_or_harmless(picture: Callable[..., bytes], kind: str) -> None:
    whole = picture(width=24, height=24, kind=kind)
    for length in range(0, len(whole) - 1, max(1, len(whole) // 60)):
        try:
            decode(whole[:length])
        except Undecodable as error:
            assert str(error)
    with pytest.raises(Undecodable):
        decode(whole[: len(whole) // 2])


def test_text_and_postscript_are_no_images() -> None:
    for data in (b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"):
        with pytest.raises(Undecodable, match="not an image"):
            decode(data)


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(Undecodable, match="floating-point"):
        decode(encoded(Image.new("F", (8, 8)), "TIFF"))


def test_facts_are_those_of_numpy(picture: Callable[..., bytes]) -> None:
    data = picture(3, width=21, height=13, mode="RGB")
    levels = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(float)
    facts = measure(data)
    assert (facts.width, facts.height, facts.mode, facts.constant) == (21, 13, "RGB", False)
    assert facts.brightness == pytest.approx(levels.mean())
    assert facts.contrast == pytest.approx(levels.std())


@pytest.mark.parametrize(("colour", "pixel", "constant"), [((9, 9, 9), None, True), ((1, 2, 3), (1, 2, 4), False)])
def test_constant_means_every_channel(
    colour: tuple[int, int, int], pixel: tuple[int, int, int] | None, constant: bool
) -> None:
    image = Image.new("RGB", (8, 8), colour)
    if pixel:
        image.putpixel((0, 0), pixel)
    assert measure(encoded(image)).constant is constant
