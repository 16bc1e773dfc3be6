from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganops.data.raw_store import add
from ganops.data.sources import RawImage, Refusal, open_source
from ganops.errors import SourceRefused
from ganops.layout import Layout


def write(path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Path:
    table = pa.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def taken(path: Path) -> list[RawImage]:
    return [item for item in open_source(str(path)) if isinstance(item, RawImage)]


def test_hugging_face_layout_with_class_names(tmp_path: Path) -> None:
    images = [{"bytes": b"1", "path": "a.png"}, {"bytes": b"2", "path": None}, {"bytes": b"3", "path": "c.png"}]
    path = write(
        tmp_path / "train-00000-of-00001.parquet",
        {"image": images, "label": [1, 0, -1]},
        {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}},
    )
    assert taken(path) == [
        RawImage(b"1", "a.png", "dog", "train"),
        RawImage(b"2", "train-00000-of-00001.parquet#1", "cat", "train"),
        RawImage(b"3", "c.png", None, "train"),
    ]


def test_plain_binary_and_string_labels_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "data" / "b.parquet", {"picture": [b"2"], "label": ["y"]})
    write(tmp_path / "data" / "a.parquet", {"picture": [b"1"], "label": ["x"]})
    assert taken(tmp_path) == [RawImage(b"1", "data/a.parquet#0", "x"), RawImage(b"2", "data/b.parquet#0", "y")]
    assert open_source(str(tmp_path)).expected == 2


def test_numbers_without_names_stay_numbers(tmp_path: Path) -> None:
    assert taken(write(tmp_path / "a.parquet", {"img": [b"1"], "label": [7]}))[0].label == "7"


def test_rows_without_bytes_are_refused(tmp_path: Path) -> None:
    image = pa.array([{"bytes": None, "path": "away.png"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    assert list(open_source(str(write(tmp_path / "a.parquet", {"image": image})))) == [
        Refusal("away.png", "the row holds no image bytes")
    ]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"text": ["a"]}, "no column of images.*text: string"),
        ({"image": [b"1"], "label": [0.5]}, "column 'label' is of type double"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, columns: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SourceRefused, match=complaint):
        open_source(str(write(tmp_path / "a.parquet", columns)))


def test_label_beyond_the_names_is_refused(tmp_path: Path) -> None:
    features = {"label": {"_type": "ClassLabel", "names": ["cat"]}}
    path = write(tmp_path / "a.parquet", {"image": [b"1"], "label": [3]}, features)
    with pytest.raises(SourceRefused, match="label 3 in column 'label' has no name"):
        list(open_source(str(path)))


def test_a_text_file_named_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("hello" * 10)
    with pytest.raises(SourceRefused, match="no readable parquet file"):
        open_source(str(tmp_path / "a.parquet"))


def test_a_store_is_a_source_for_another(layout: Layout, listed: Any, picture: Callable[..., bytes]) -> None:
    images = [RawImage(picture(seed), f"{seed}.png", "x", "test") for seed in range(3)]
    add(layout, listed(images))
    assert taken(layout.raw) == images
