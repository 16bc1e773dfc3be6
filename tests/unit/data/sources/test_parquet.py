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


# ---------------------------------------------------------------- what others write


def write_table(path: Path, table: pa.Table, metadata: bytes | None = None) -> Path:
    pq.write_table(table.replace_schema_metadata({"huggingface": metadata}) if metadata else table, path)
    return path


def text_of(*values: bytes) -> pa.Array:
    """A string column of any bytes, which Arrow does not look at when it writes them."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


@pytest.mark.parametrize("twice", ["image", "label"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, twice: str) -> None:
    columns = {"image": pa.array([b"1"]), "label": pa.array([1])}
    names = [*columns, twice]
    table = pa.Table.from_arrays([columns[name] for name in names], names=names)
    with pytest.raises(SourceRefused, match=f"2 columns named '{twice}'"):
        open_source(str(write_table(tmp_path / "a.parquet", table)))


def test_paths_that_are_no_text_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"image": [{"bytes": b"1", "path": 7}]})
    assert taken(path) == [RawImage(b"1", "a.parquet#0")]


@pytest.mark.parametrize("names", [5, "cat", [1, 2], ["cat", "cat"], ["cat", None], {"0": "cat"}])
def test_class_names_that_are_no_list_of_strings_are_refused(tmp_path: Path, names: Any) -> None:
    features = {"label": {"_type": "ClassLabel", "names": names}}
    path = write(tmp_path / "a.parquet", {"image": [b"1"], "label": [0]}, features)
    with pytest.raises(SourceRefused, match="classes of column 'label' as a list of different strings"):
        list(open_source(str(path)))


@pytest.mark.parametrize("metadata", [b"{", b"\xff\xfe{", b"[" * 100_000])
def test_metadata_that_is_no_json_is_refused(tmp_path: Path, metadata: bytes) -> None:
    path = write_table(tmp_path / "a.parquet", pa.table({"image": [b"1"], "label": [0]}), metadata)
    with pytest.raises(SourceRefused, match="metadata is no JSON"):
        open_source(str(path))


@pytest.mark.parametrize("metadata", [b"[]", b'{"info": null}', b'{"info": {"features": []}}', b'{"info": {}}'])
def test_metadata_without_features_leaves_numbers(tmp_path: Path, metadata: bytes) -> None:
    path = write_table(tmp_path / "a.parquet", pa.table({"image": [b"1"], "label": [3]}), metadata)
    assert taken(path) == [RawImage(b"1", "a.parquet#0", "3")]


@pytest.mark.parametrize("column", ["label", "split"])
def test_text_that_is_no_utf8_is_refused(tmp_path: Path, column: str) -> None:
    table = pa.table({"image": [b"1", b"2"], column: text_of(b"cat", b"\xe9\xff")})
    with pytest.raises(SourceRefused, match=r"a\.parquet .*damaged .*UTF8"):
        list(open_source(str(write_table(tmp_path / "a.parquet", table))))


def test_a_struct_without_bytes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"image": [{"path": "a.png"}]})
    with pytest.raises(SourceRefused, match="no column of images"):
        open_source(str(path))


def test_a_name_with_a_dot_is_a_name(tmp_path: Path) -> None:
    assert taken(write(tmp_path / "a.parquet", {"my.image": [b"1"]})) == [RawImage(b"1", "a.parquet#0")]


def test_hidden_files_beside_it_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"image": [b"1"]})
    (tmp_path / "._a.parquet").write_bytes(b"what another system keeps")
    assert len(taken(tmp_path)) == 1


def test_of_a_huge_row_group_few_images_are_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"image": [bytes([n]) * 2**18 for n in range(100)]})
    pq.write_table(table, path, use_dictionary=False, write_batch_size=1, compression="none")
    table_bytes = table.nbytes
    del table
    held = pa.total_allocated_bytes()
    peak = max(pa.total_allocated_bytes() - held for _ in open_source(str(path)))
    assert peak < table_bytes / 2
