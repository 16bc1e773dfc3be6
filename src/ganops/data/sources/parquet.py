"""Parquet files with a column of images, as Hugging Face datasets and GanOps itself write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.parquet as pq

from ganops.data.sources.base import MAX_ENCODED_BYTES, RawImage, Refusal, too_large
from ganops.errors import SourceRefused

_IMAGE_NAMES = ("image", "img", "images", "jpg", "png")
_LABEL_NAMES = ("label", "labels", "class", "target")
_BATCH = 64


@final
@dataclass(frozen=True)
class _Columns:
    """Which columns hold what, and the names of the classes where the file tells them."""

    image: str
    label: str | None
    split: str | None
    class_names: tuple[str, ...]

    def wanted(self) -> list[str]:
        return [name for name in (self.image, self.label, self.split) if name is not None]


@final
class ParquetImages:
    """One file, or all `*.parquet` files of a folder, sorted.

    The image column is a struct with `bytes` (and `path`) or plain binary. Labels are strings or whole numbers;
    numbers become names where the `huggingface` metadata declares a ClassLabel, and a negative one means none.
    The split is a column `split`, else the beginning of the file's name (`train-…`, `test-…`).
    """

    def __init__(self, path: Path) -> None:
        self.name = path.resolve().name
        self._root = path if path.is_dir() else path.parent
        self._files = parquet_files(path) if path.is_dir() else [path]
        self._columns = [_columns(file) for file in self._files]
        self.expected = sum(_opened(file).metadata.num_rows for file in self._files)

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        for file, columns in zip(self._files, self._columns, strict=True):
            try:
                yield from self._read(file, columns)
            except (pa.ArrowException, OSError) as error:
                raise SourceRefused(f"{file} is damaged ({_first_line(error)}). Fetch it again.") from None

    def _read(self, file: Path, columns: _Columns) -> Iterator[RawImage | Refusal]:
        shown = file.relative_to(self._root).as_posix()
        row = 0
        for batch in _opened(file).iter_batches(batch_size=_BATCH, columns=columns.wanted()):
            images = batch.column(columns.image).to_pylist()
            labels = batch.column(columns.label).to_pylist() if columns.label else [None] * len(images)
            splits = batch.column(columns.split).to_pylist() if columns.split else [_split(file)] * len(images)
            for image, label, split in zip(images, labels, splits, strict=True):
                yield _item(image, f"{shown}#{row}", _label(label, columns, file), split)
                row += 1


def parquet_files(folder: Path) -> list[Path]:
    """The parquet files of a folder, or of its `data/` as in a dataset repository; sorted."""
    return sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))


def _item(image: Any, where: str, label: str | None, split: Any) -> RawImage | Refusal:
    data = image.get("bytes") if isinstance(image, dict) else image
    path = (image.get("path") if isinstance(image, dict) else None) or where
    if data is None:
        return Refusal(path, "the row holds no image bytes")
    if len(data) > MAX_ENCODED_BYTES:
        return too_large(path, len(data))
    return RawImage(data, path, label, split if split in ("train", "test") else None)


def _label(value: Any, columns: _Columns, file: Path) -> str | None:
    if value is None or (isinstance(value, int) and value < 0):
        return None
    if isinstance(value, str) or not columns.class_names:
        return str(value)
    if value >= len(columns.class_names):
        raise SourceRefused(
            f"{file}: the label {value} in column '{columns.label}' has no name: its metadata names "
            f"{len(columns.class_names)} classes. Write the file again with as many names as labels."
        )
    return columns.class_names[int(value)]


def _columns(file: Path) -> _Columns:
    schema = _opened(file).schema_arrow
    features = _features(schema)
    label = _label_column(schema, features, file)
    return _Columns(
        image=_image_column(schema, file),
        label=label,
        split="split" if "split" in schema.names and _is_text(schema.field("split").type) else None,
        class_names=tuple(features.get(label, {}).get("names") or ()) if label else (),
    )


def _image_column(schema: pa.Schema, file: Path) -> str:
    fits: list[str] = [field.name for field in schema if _holds_images(field.type)]
    for name in (*_IMAGE_NAMES, *fits):
        if name in fits:
            return name
    columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
    raise SourceRefused(
        f"{file} has no column of images (a struct with 'bytes', or binary). Its columns are {columns}."
    )


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _is_binary(kind.field(index).type)
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _label_column(schema: pa.Schema, features: dict[str, Any], file: Path) -> str | None:
    declared = [name for name, feature in features.items() if feature.get("_type") == "ClassLabel"]
    for name in (*_LABEL_NAMES, *declared):
        if name not in schema.names:
            continue
        kind = schema.field(name).type
        if _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
            return name
        raise SourceRefused(f"{file}: column '{name}' is of type {kind}, but labels are whole numbers or strings.")
    return None


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner))


def _features(schema: pa.Schema) -> dict[str, Any]:
    """Hugging Face's own description of the columns; empty where there is none that can be read."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return {name: kind for name, kind in features.items() if isinstance(kind, dict)}


def _split(file: Path) -> str | None:
    start = file.stem.split("-")[0]
    return start if start in ("train", "test") else None


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise SourceRefused(f"{file} is no readable parquet file ({_first_line(error)}).") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
