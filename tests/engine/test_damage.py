"""Small sound files, damaged anywhere: what comes of it is images and refusals, or one of our own errors."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ganops.data.facts import measure
from ganops.data.manifest import check
from ganops.data.pixels import Undecodable, decode, to_rgb
from ganops.data.raw_store import add
from ganops.data.sources import RawImage, Refusal, open_source
from ganops.errors import DataRefused, GanOpsError
from ganops.layout import Layout

Damage = Callable[[bytes], bytes]
few = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Cut off, cut out, put in, or overwritten: at some places, given as shares of the length."""
    kind = draw(st.sampled_from(["cut off", "cut out", "put in", "flip", "flip", "flip", "fill"]))
    places = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8 if kind == "flip" else 1))
    length, bit = draw(st.integers(1, 16)), draw(st.integers(0, 7))
    filling = draw(st.sampled_from([b"\0", b"\xff", b"\x80", b"7"])) * length

    def damage(data: bytes) -> bytes:
        changed = bytearray(data)
        for place in places:
            start = int(place * len(changed))
            if kind == "cut off":
                del changed[start:]
            elif kind == "cut out":
                del changed[start : start + length]
            elif kind == "put in":
                changed[start:start] = filling
            elif kind == "fill":
                changed[start : start + length] = filling
            else:
                changed[start] ^= 1 << bit
        return bytes(changed)

    return damage


def encoded(kind: str, mode: str = "RGB", seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(stream, kind)
    return stream.getvalue()


def zipped(method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for number in range(3):
            archive.writestr(f"cat/{number}.png", encoded("PNG", seed=number))
    return stream.getvalue()


def tarred(layout: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=layout) as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"{'é' * 70 * number}cat/{number}.png")
            member.size = len(encoded("PNG", seed=number))
            archive.addfile(member, io.BytesIO(encoded("PNG", seed=number)))
    return stream.getvalue()


def parquet(compression: str, dictionary: bool) -> bytes:
    label = {"_type": "ClassLabel", "names": ["cat", "dog"]}
    images = [{"bytes": encoded("PNG", seed=number), "path": f"{number}.png"} for number in range(4)]
    table = pa.table({"image": images, "label": [0, 1, 0, 1], "split": ["train"] * 4})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": {"label": label}}})})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression=compression, use_dictionary=dictionary)
    return stream.getvalue()


IMAGES = struct.pack(">4B3I", 0, 0, 8, 3, 3, 9, 10) + bytes(range(90)) * 3
LABELS = struct.pack(">4BI", 0, 0, 8, 1, 3) + bytes([1, 2, 3])
SOUND = {
    "x.zip": zipped(zipfile.ZIP_DEFLATED),
    "stored.zip": zipped(zipfile.ZIP_STORED),
    "lzma.zip": zipped(zipfile.ZIP_LZMA),
    "pax.tar": tarred(tarfile.PAX_FORMAT),
    "gnu.tar": tarred(tarfile.GNU_FORMAT),
    "x.tar.gz": gzip.compress(tarred(tarfile.PAX_FORMAT)),
    "x.parquet": parquet("snappy", dictionary=True),
    "plain.parquet": parquet("none", dictionary=False),
    "train-images-idx3-ubyte": IMAGES,
    "train-labels-idx1-ubyte": LABELS,
    "train-images-idx3-ubyte.gz": gzip.compress(IMAGES),
}


def with_sound_checksums(data: bytes) -> bytes:
    """So that damage to the other fields of a tar's headers is not found out at once."""
    changed = bytearray(data)
    for start in range(0, len(changed) - 511, 512):
        if changed[start + 257 : start + 262] == b"ustar":
            changed[start + 148 : start + 156] = b" " * 8
            changed[start + 148 : start + 156] = b"%06o\0 " % sum(changed[start : start + 512])
    return bytes(changed)


def read(path: Path) -> None:
    """Read a source to its end, as `data add` does."""
    try:
        for item in open_source(str(path)):
            assert isinstance(item.path, str)
            if isinstance(item, RawImage):
                assert isinstance(item.data, bytes) and isinstance(item.label, str | None)
            else:
                assert isinstance(item, Refusal) and item.reason
    except DataRefused as error:
        assert str(error)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SOUND)
@few
@given(damage=damages(), sums=st.booleans())
def test_a_damaged_source_is_refused_or_read(name: str, damage: Damage, sums: bool) -> None:
    data = damage(SOUND[name])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(with_sound_checksums(data) if sums and name.endswith(".tar") else data)
        if "idx" in name:
            for other, sound in (("train-images-idx3-ubyte", IMAGES), ("train-labels-idx1-ubyte", LABELS)):
                if other not in name:
                    (path.parent / other).write_bytes(sound)
        read(path.parent if "idx" in name else path)


PICTURES = [
    ("PNG", "RGB"), ("PNG", "P"), ("PNG", "LA"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "RGB"),
    ("TIFF", "RGB"), ("WEBP", "RGB"), ("PPM", "RGB"), ("TGA", "RGB"), ("ICO", "RGB"), ("JPEG2000", "RGB"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "mode"), PICTURES)
@few
@given(damage=damages())
def test_a_damaged_picture_is_undecodable_or_a_picture(kind: str, mode: str, damage: Damage) -> None:
    data = damage(encoded(kind, mode))
    try:
        facts = measure(data)
    except Undecodable as error:
        assert str(error)
    else:
        assert np.asarray(to_rgb(decode(data))).shape == (facts.height, facts.width, 3)


@pytest.mark.timeout(120)
@few
@given(damage=damages())
def test_a_damaged_shard_is_refused_or_found_out(damage: Damage) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in").mkdir()
        for number in range(3):
            (Path(folder) / "in" / f"{number}.png").write_bytes(encoded("PNG", seed=number))
        layout = Layout(Path(folder) / "workspace")
        add(layout, open_source(f"{folder}/in"))
        shard = layout.raw / "images-00000.parquet"
        shard.write_bytes(damage(shard.read_bytes()))
        try:
            assert check(layout.raw).num_rows >= 0
            add(layout, open_source(f"{folder}/in"))
        except GanOpsError as error:
            assert str(error)
