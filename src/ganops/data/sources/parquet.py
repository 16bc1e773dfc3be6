"""Parquet files with a column of images, as Hugging Face datasets and GanOps itself write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.parquet as pq

from ganops.data.regular import require_regular
from ganops.data.sources.base import MAX_ENCODED_BYTES, RawImage, Refusal, too_large
from ganops.data.sources.naming import shown
from ganops.errors import SourceRefused

_IMAGE_NAMES = ("image", "img", "images", "jpg", "png")
_LABEL_NAMES = ("label", "labels", "class", "target")
_BATCH = 16  # images in memory at once
_BUFFER_BYTES = 2**20


@final
@dataclass(frozen=True)
class _Columns:
    """Which columns hold what, and the names of the classes where the file tells them."""

    image: str
    image_parts: tuple[str, ...]
    """Of the image column, what is read: itself, or its `bytes` and `path`."""
    label: str | None
    split: str | None
    class_names: tuple[str, ...]

    def wanted(self) -> list[str]:
        return [*self.image_parts, *(name for name in (self.label, self.split) if name is not None)]


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
            with _reading(file):
                yield from self._read(file, columns)

    def _read(self, file: Path, columns: _Columns) -> Iterator[RawImage | Refusal]:
        within = file.relative_to(self._root).as_posix()
        row = 0
        for batch in _opened(file).iter_batches(batch_size=_BATCH, columns=columns.wanted()):
            batch.validate(full=True)  # text is UTF-8, offsets lie within
            labels = batch.column(columns.label) if columns.label else None
            splits = batch.column(columns.split) if columns.split else None
            for index, image in enumerate(batch.column(columns.image)):
                label = _label(labels[index].as_py(), columns, file) if labels is not None else None
                split = splits[index].as_py() if splits is not None else _split(file)
                yield _item(image.as_py(), f"{within}#{row}", label, split)
                row += 1


def parquet_files(folder: Path) -> list[Path]:
    """The visible parquet files of a folder, or of its `data/` as in a dataset repository; sorted."""
    found = sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))
    return [path for path in found if not path.name.startswith(".")]


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
    with _reading(file):
        schema = _opened(file).schema_arrow
        _refuse_duplicates(schema.names, file)
        features = _features(schema, file)
        image = _image_column(schema, file)
        label = _label_column(schema, features, file)
        return _Columns(
            image=image,
            image_parts=_image_parts(schema.field(image)),
            label=label,
            split="split" if "split" in schema.names and _is_text(schema.field("split").type) else None,
            class_names=_class_names(features[label], label, file) if label in features else (),
        )


def _refuse_duplicates(names: list[str], file: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SourceRefused(
                f"{file} has {names.count(name)} columns named '{shown(name)}', so it is not clear which is meant. "
                "Write it again with one name a column."
            )


def _image_column(schema: pa.Schema, file: Path) -> str:
    fits: list[str] = [field.name for field in schema if _holds_images(field.type)]
    for name in (*_IMAGE_NAMES, *fits):
        if name in fits:
            return name
    columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
    raise SourceRefused(
        f"{file} has no column of images (a struct with 'bytes', or binary). Its columns are {shown(columns)}. "
        "Write the images' encoded bytes into one."
    )


def _image_parts(field: pa.Field) -> tuple[str, ...]:
    if not pa.types.is_struct(field.type):
        return (field.name,)
    path = field.type.get_field_index("path")
    has_path = path >= 0 and _is_text(field.type.field(path).type)
    return (f"{field.name}.bytes", f"{field.name}.path") if has_path else (f"{field.name}.bytes",)


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
        raise SourceRefused(
            f"{file}: column '{shown(name)}' is of type {kind}, but labels are whole numbers or strings. "
            "Write it as one of these, or under another name."
        )
    return None


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner))


def _features(schema: pa.Schema, file: Path) -> dict[str, Any]:
    """Hugging Face's own description of the columns; empty where there is none."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (KeyError, TypeError):
        return {}
    except (ValueError, RecursionError):
        raise SourceRefused(
            f"{file}: its 'huggingface' metadata is no JSON, so the names of its labels are lost. "
            "Write the file again, or remove that metadata to take the labels as numbers."
        ) from None
    if not isinstance(features, dict):
        return {}
    return {name: kind for name, kind in features.items() if isinstance(kind, dict)}


def _class_names(feature: dict[str, Any], label: str, file: Path) -> tuple[str, ...]:
    names = feature.get("names")
    if names is None:
        return ()
    if isinstance(names, list) and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        return tuple(names)
    raise SourceRefused(
        f"{file}: its 'huggingface' metadata does not give the classes of column '{shown(label)}' as a list of "
        "different strings. Write the file again with such 'names', or without them to take the labels as numbers."
    )


def _split(file: Path) -> str | None:
    start = file.stem.split("-")[0]
    return start if start in ("train", "test") else None


def _opened(file: Path) -> pq.ParquetFile:
    with _reading(file):
        require_regular(file)
        # neither a whole row group nor a whole column of it is fetched ahead: others' files may be one row group
        return pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except SourceRefused:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError, MemoryError) as error:
        reason = shown((str(error).splitlines() or [type(error).__name__])[0])
        raise SourceRefused(f"{file} is no readable parquet file, or damaged ({reason}). Fetch it again.") from None
