"""The raw store, read: facts without image bytes, images one by one, and both checked against each other.

The store is `data/raw/images-00000.parquet` and so on. A row's number counts through all shards in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ganops.data.facts import FACT_NAMES, measure
from ganops.data.pixels import Undecodable
from ganops.data.regular import require_regular
from ganops.errors import SourceRefused, UserError
from ganops.files import sha256_bytes
from ganops.progress import Progress, silent

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
FACTS = pa.schema(
    [
        pa.field("label", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("split", pa.string()),
        pa.field("source", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("mode", pa.string()),
        pa.field("brightness", pa.float32()),
        pa.field("contrast", pa.float32()),
        pa.field("constant", pa.bool_()),
    ]
)
"""Facts of one image as stored beside it; see `ImageFacts` for units."""
MANIFEST = pa.schema([pa.field("path", pa.string()), *FACTS])
"""One row an image, without its bytes."""
_ALWAYS_KNOWN = ("path", "sha256", "source", "width", "height", "mode", "brightness", "contrast", "constant")
_SHARD = re.compile(r"images-\d{5,}\.parquet")
CHECKED = MANIFEST.append(pa.field("decodable", pa.bool_()))


@final
@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image of the store."""

    row: int
    data: bytes
    """Encoded, as it was added."""


def shards(raw: Path) -> list[Path]:
    """The shards of the store in order; none if there is no store yet.

    Raises:
        SourceRefused: another parquet file lies among them.
    """
    found = sorted(path for path in raw.glob("*.parquet") if not path.name.startswith("."))
    for path in found:
        if not _SHARD.fullmatch(path.name):
            raise _foreign(path, "its name is not images-NNNNN.parquet")
    return found


def read_manifest(raw: Path) -> pa.Table:
    """The facts recorded of every image, schema `MANIFEST`; reads no image bytes.

    Raises:
        UserError: there is no store; says how to make one.
        SourceRefused: a shard is damaged or was written by something else.
    """
    manifest = pa.concat_tables([_facts(path) for path in _existing(raw)])
    if not manifest.num_rows:
        raise _nothing_yet(raw)
    return manifest


def known_digests(raw: Path) -> set[bytes]:
    """The sha256 of every image in the store; none if there is no store yet.

    Raises:
        SourceRefused: a shard is damaged or was written by something else.
    """
    facts = (_facts(path) for path in shards(raw))
    return {bytes.fromhex(digest) for table in facts for digest in table.column("sha256").to_pylist()}


def iterate(raw: Path, rows: Set[int] | None = None) -> Iterator[StoredImage]:
    """The stored images in order, one row group in memory at a time; with `rows`, only those."""
    first = 0
    for path in _existing(raw):
        file = _opened(path)
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if rows is None or any(row in rows for row in range(first, first + count)):
                with _reading(path):
                    images = _image_bytes(file, group)
                for offset in range(count):
                    if rows is None or first + offset in rows:
                        yield StoredImage(first + offset, images[offset].as_py() or b"")
            first += count


def check(raw: Path, progress: Progress = silent) -> pa.Table:
    """The manifest as the stored bytes themselves give it, schema `CHECKED`.

    Every image is hashed, decoded and measured again. `decodable` is false where the bytes are no longer an image
    or no longer those that were added; facts that cannot be had are then null, and `sha256` is that of the bytes.
    """
    recorded = read_manifest(raw)
    recorded_digests = recorded.column("sha256").to_pylist()
    columns: dict[str, list[Any]] = {field.name: [] for field in CHECKED}
    for image in iterate(raw):
        facts, digest = _measured(image.data)
        for name, value in facts.items():
            columns[name].append(value)
        columns["decodable"].append(facts["mode"] is not None and digest == recorded_digests[image.row])
        if image.row % 500 == 0:
            progress(image.row, recorded.num_rows, "checking images")
    progress(recorded.num_rows, recorded.num_rows, "checking images")
    for name in ("path", "label", "split", "source"):
        columns[name] = recorded.column(name)
    return pa.table(columns, schema=CHECKED)


def _measured(data: bytes) -> tuple[dict[str, Any], str]:
    try:
        facts = measure(data)
    except Undecodable:
        digest = sha256_bytes(data)
        return dict.fromkeys(FACT_NAMES) | {"sha256": digest}, digest
    return facts.as_dict(), facts.sha256


def _existing(raw: Path) -> list[Path]:
    found = shards(raw)
    if not found:
        raise _nothing_yet(raw)
    return found


def _nothing_yet(raw: Path) -> UserError:
    return UserError(
        f"There are no images in {raw} yet: run `ganops data add SOURCE` "
        "(or `dvc pull`, if a teammate added them and only the pointers came with git)."
    )


def _opened(path: Path) -> pq.ParquetFile:
    with _reading(path):
        require_regular(path)
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
    missing = {"image", *FACTS.names} - set(schema.names)
    if missing:
        raise _foreign(path, f"it lacks {', '.join(sorted(missing))}")
    for field in (pa.field("image", IMAGE), *FACTS):
        found = [each.type for each in schema if each.name == field.name]
        if found != [field.type]:
            raise _foreign(path, f"column '{field.name}' is {', '.join(map(str, found))} and not {field.type}")
    return file


def _facts(path: Path) -> pa.Table:
    file = _opened(path)
    with _reading(path):
        table = file.read(columns=["image.path", *FACTS.names])
        paths = pa.chunked_array([chunk.field("path") for chunk in table.column("image").chunks], pa.string())
        facts = pa.table([paths, *(table.column(name) for name in FACTS.names)], schema=MANIFEST)
        facts.validate(full=True)  # text is UTF-8
        unknown = [name for name in _ALWAYS_KNOWN if facts.column(name).null_count]
        digests = pc.all(pc.match_substring_regex(facts.column("sha256"), "^[0-9a-f]{64}$")).as_py()
    if unknown or digests is False:
        raise _foreign(path, f"column '{(unknown or ['sha256'])[0]}' does not hold what was measured of each image")
    return facts


def _image_bytes(file: pq.ParquetFile, group: int) -> pa.Array:
    return file.read_row_group(group, columns=["image.bytes"]).column("image").combine_chunks().field("bytes")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except SourceRefused:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SourceRefused(
            f"{path} is damaged ({reason}). Restore it with `dvc checkout data/raw`, or add it again."
        ) from None


def _foreign(path: Path, reason: str) -> SourceRefused:
    return SourceRefused(
        f"{path} was not written by `ganops data add`: {reason}. Move it elsewhere and add it as a source."
    )
