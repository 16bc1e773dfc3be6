from __future__ import annotations

import io
import struct
import zlib
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
    with pytest.raises(Undecodable, match="claims far more than the 64 million pixels"):
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


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims that size and whose content is empty."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize("side", [30_000, 2**31, 2**32 - 1])
def test_absurd_sizes_are_refused_in_our_own_words(side: int) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(png_of_size(side, side))
    assert "64 million pixels" in str(caught.value)
    assert "bomb" not in str(caught.value) and "DOS" not in str(caught.value)


@pytest.mark.parametrize("data", [png_of_size(0, 0), png_of_size(0, 7), b"P5 0 0 255\n"])
def test_pictures_without_pixels_are_refused(data: bytes) -> None:
    with pytest.raises(Undecodable):
        measure(data)


def test_the_size_counts_that_is_there_after_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """An icon's directory may say 8x8 where its picture is much larger."""
    icon = bytearray(encoded(Image.new("RGB", (40, 40)), "ICO", sizes=[(40, 40)]))
    icon[6:8] = 8, 8
    monkeypatch.setattr(pixels_module, "MAX_PIXELS", 100)
    with pytest.raises(Undecodable, match="40x40 pixels"):
        decode(bytes(icon))


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), (level, level, level)) for level in (200, 0, 0)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert measure(data).brightness == pytest.approx(200, abs=1)


def big_endian_tiff(values: np.ndarray) -> bytes:
    """16-bit grey, most significant byte first: Pillow's mode I;16B."""
    height, width = values.shape
    data = values.astype(">u2").tobytes()
    short, long = 3, 4
    tags = [
        (256, short, width), (257, short, height), (258, short, 16), (259, short, 1), (262, short, 1), (273, long, 8),
        (277, short, 1), (278, short, height), (279, long, len(data)),
    ]  # fmt: skip
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1)
        + (struct.pack(">HH", value, 0) if kind == short else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    directory = struct.pack(">H", len(tags)) + entries + bytes(4)
    return b"MM\x00*" + struct.pack(">I", 8 + len(data)) + data + directory


def test_sixteen_bits_of_either_byte_order_are_measured() -> None:
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    facts, other = measure(big_endian_tiff(values)), measure(encoded(Image.fromarray(values)))
    assert (facts.brightness, facts.contrast, facts.constant) == (other.brightness, other.contrast, False)
    assert measure(big_endian_tiff(np.full((8, 8), 700))).constant is True


@pytest.mark.parametrize("error", [RuntimeError("color planes failed"), ZeroDivisionError("division by zero")])
def test_whatever_a_codec_raises_is_undecodable(
    picture: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(Undecodable, match=f"damaged: {error}"):
        decode(picture())
