from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganops.data import raw_store
from ganops.data.manifest import CHECKED, MANIFEST, check, iterate, read_manifest
from ganops.data.raw_store import add
from ganops.data.sources import RawImage, Refusal
from ganops.errors import SourceRefused, UserError, WorkspaceBusy, WorkspaceError
from ganops.layout import Layout

Picture = Callable[..., bytes]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def images(picture: Picture, seeds: range, label: str | None = "x") -> list[RawImage]:
    return [RawImage(picture(seed), f"{seed}.png", label) for seed in seeds]


def test_report_and_manifest_say_what_was_taken(layout: Layout, listed: Any, picture: Picture) -> None:
    items = [
        RawImage(picture(0), "a/0.png", "a", "train"),
        RawImage(picture(1, width=9, mode="RGB"), "1.png"),
        RawImage(picture(0), "again.png", "b"),
        RawImage(b"hello", "notes.txt"),
        Refusal("away.png", "a link that leaves the folder"),
    ]
    report = add(layout, listed(items))
    assert (report.taken, report.duplicates, report.refused_count) == (2, 1, 2)
    assert report.refused == (Refusal("notes.txt", "not an image that Pillow can read"), items[4])
    assert (report.labels, report.splits) == ({"a": 1}, {"train": 1})
    assert report.size_count == 2
    assert (report.sizes, report.modes) == ({"8x8": 1, "9x8": 1}, {"L": 1, "RGB": 1})
    assert report.shards == ("images-00000.parquet",)
    manifest = read_manifest(layout.raw)
    assert manifest.schema.equals(MANIFEST)
    assert manifest.column("path").to_pylist() == ["a/0.png", "1.png"]
    assert manifest.column("source").to_pylist() == ["listed", "listed"]
    assert manifest.column("sha256")[0].as_py() == hashlib.sha256(picture(0)).hexdigest()


def test_stored_bytes_are_the_files_own(layout: Layout, listed: Any, picture: Picture) -> None:
    items = images(picture, range(5))
    add(layout, listed(items))
    assert [image.data for image in iterate(layout.raw)] == [item.data for item in items]
    assert [(image.row, image.data) for image in iterate(layout.raw, {3})] == [(3, items[3].data)]


def test_a_second_add_appends_and_leaves_old_shards_alone(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(4))))
    before = digests(layout.raw)
    report = add(layout, listed(images(picture, range(2, 6))))
    assert (report.taken, report.duplicates, report.shards) == (2, 2, ("images-00001.parquet",))
    assert before.items() <= digests(layout.raw).items()
    assert read_manifest(layout.raw).num_rows == 6


def test_nothing_new_adds_no_shard(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(3))))
    report = add(layout, listed(images(picture, range(3))))
    assert (report.taken, report.duplicates, report.shards) == (0, 3, ())
    assert len(digests(layout.raw)) == 1


def test_shards_and_row_groups_are_bounded(
    layout: Layout, listed: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_store, "GROUP_IMAGES", 3)
    monkeypatch.setattr(raw_store, "SHARD_IMAGES", 6)
    report = add(layout, listed(images(picture, range(14))))
    assert report.shards == tuple(f"images-{number:05d}.parquet" for number in range(3))
    files = [pq.ParquetFile(layout.raw / name) for name in report.shards]
    assert [file.metadata.num_rows for file in files] == [6, 6, 2]
    assert [file.num_row_groups for file in files] == [2, 2, 1]
    assert [image.row for image in iterate(layout.raw)] == list(range(14))


def test_a_large_image_closes_group_and_shard(
    layout: Layout, listed: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_store, "GROUP_BYTES", 1)
    monkeypatch.setattr(raw_store, "SHARD_BYTES", 1)
    assert len(add(layout, listed(images(picture, range(3)))).shards) == 3


def test_of_many_sizes_the_most_frequent_are_reported(layout: Layout, listed: Any, picture: Picture) -> None:
    pictures = [picture(width=8 + n) for n in range(30)] + [picture(1), picture(2), picture(1, width=9)]
    report = add(layout, listed([RawImage(data, f"{n}.png") for n, data in enumerate(pictures)]))
    assert list(report.sizes.items())[:3] == [("8x8", 3), ("9x8", 2), ("10x8", 1)]
    assert (len(report.sizes), report.sizes["other"], report.size_count) == (11, 20, 30)


def test_the_progress_callback_hears_the_end(layout: Layout, listed: Any, picture: Picture) -> None:
    heard: list[tuple[int, int]] = []
    add(layout, listed(images(picture, range(3))), lambda done, total, _: heard.append((done, total)))
    assert heard[0] == (0, 3) and heard[-1] == (3, 3)


def test_the_schema_tells_hugging_face_that_these_are_images(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(1))))
    metadata = pq.read_schema(layout.raw / "images-00000.parquet").metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"dtype": "string", "_type": "Value"}


# ---------------------------------------------------------------- what goes wrong


def test_a_source_that_breaks_half_way_leaves_nothing(layout: Layout, listed: Any, picture: Picture) -> None:
    class Breaking(listed):  # type: ignore[misc]
        def __iter__(self) -> Iterator[RawImage | Refusal]:
            yield from self.items
            raise SourceRefused("it broke")

    add(layout, listed(images(picture, range(2))))
    before = digests(layout.raw)
    with pytest.raises(SourceRefused, match="it broke"):
        add(layout, Breaking(images(picture, range(5, 9))))
    assert digests(layout.raw) == before
    assert [path.name for path in layout.state.iterdir()] == ["data-add.lock"]


def test_what_a_killed_process_left_is_cleared(layout: Layout, listed: Any, picture: Picture) -> None:
    (layout.state / "data-add-dead").mkdir(parents=True)
    add(layout, listed(images(picture, range(1))))
    assert not (layout.state / "data-add-dead").exists()


def test_nothing_readable_is_refused_with_the_first_reasons(layout: Layout, listed: Any) -> None:
    with pytest.raises(SourceRefused, match=r"2 refused, the first being a\.txt: not an image") as caught:
        add(layout, listed([RawImage(b"a", "a.txt"), RawImage(b"b", "b.txt")]))
    assert caught.value.exit_code == 3
    assert not layout.raw.exists()


def test_two_additions_at_once_are_refused(layout: Layout, listed: Any, picture: Picture) -> None:
    layout.state.mkdir(parents=True)
    with (layout.state / "data-add.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(WorkspaceBusy, match="Another `ganops data add`"):
            add(layout, listed(images(picture, range(1))))


def test_a_workspace_that_cannot_be_written(tmp_path: Path, listed: Any, picture: Picture) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        add(Layout(tmp_path / "file"), listed(images(picture, range(1))))


def test_a_data_folder_on_another_disk(
    layout: Layout, listed: Any, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def across(self: Path, target: Path) -> Path:
        if layout.state in self.parents:
            raise OSError(18, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", across)
    add(layout, listed(images(picture, range(2))))
    assert list(digests(layout.raw)) == ["images-00000.parquet"]


def test_odd_names_are_stored_as_plain_text(layout: Layout, listed: Any, picture: Picture) -> None:
    name = os.fsdecode(b"caf\xe9\x1b[31m.png")
    add(layout, listed([RawImage(picture(0), name, ""), Refusal(name, "no\nway")]))
    manifest = read_manifest(layout.raw)
    assert manifest.column("path").to_pylist() == [r"caf\udce9\x1b[31m.png"]
    assert manifest.column("label").to_pylist() == [None]


# ---------------------------------------------------------------- reading it again


def test_no_store_tells_how_to_make_one(layout: Layout) -> None:
    with pytest.raises(UserError, match="ganops data add SOURCE"):
        read_manifest(layout.raw)


def test_check_measures_what_is_there(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(4))))
    checked = check(layout.raw)
    assert checked.schema.equals(CHECKED)
    assert checked.column("decodable").to_pylist() == [True] * 4
    assert checked.drop_columns("decodable").equals(read_manifest(layout.raw))


@pytest.mark.parametrize("still_an_image", [True, False])
def test_check_finds_bytes_that_are_not_those_added(
    layout: Layout, listed: Any, picture: Picture, still_an_image: bool
) -> None:
    add(layout, listed(images(picture, range(4))))
    path = layout.raw / "images-00000.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[2]["image"]["bytes"] = picture(77) if still_an_image else b"spoilt"
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    checked = check(layout.raw)
    assert checked.column("decodable").to_pylist() == [True, True, False, True]
    assert checked.column("sha256")[2].as_py() == hashlib.sha256(rows[2]["image"]["bytes"]).hexdigest()
    assert (checked.column("width")[2].as_py() is None) is not still_an_image


def test_a_damaged_shard_is_named(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(4))))
    path = layout.raw / "images-00000.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceRefused, match=r"images-00000\.parquet is damaged"):
        read_manifest(layout.raw)


def test_a_foreign_shard_is_named(layout: Layout) -> None:
    layout.raw.mkdir(parents=True)
    pq.write_table(pa.table({"image": [b"1"]}), layout.raw / "images-00000.parquet")
    with pytest.raises(SourceRefused, match="was not written by `ganops data add`: it lacks brightness"):
        read_manifest(layout.raw)


NEVER_ENDING = """
import sys
from pathlib import Path
from ganops.data.raw_store import add
from ganops.data.sources import Refusal
from ganops.layout import Layout

class Slow:
    name, expected = "slow", 0

    def __iter__(self):
        print("started", flush=True)
        while True:
            yield Refusal("x", "never ends")

add(Layout(Path(sys.argv[1])), Slow())
"""


def test_a_killed_addition_leaves_the_store_as_it_was(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(3))))
    before = digests(layout.raw)
    command = [sys.executable, "-c", NEVER_ENDING, str(layout.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "started\n"
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in layout.state.glob("data-add-*")], "it was killed in the middle of its work"
    assert digests(layout.raw) == before
    assert add(layout, listed(images(picture, range(4)))).taken == 1


# ---------------------------------------------------------------- what others put there


@pytest.mark.parametrize("name", ["images-abc.parquet", "images-.parquet", "images-1.parquet", "train.parquet"])
def test_a_foreign_parquet_file_in_the_store_is_named(layout: Layout, listed: Any, picture: Picture, name: str) -> None:
    add(layout, listed(images(picture, range(2))))
    shutil.copyfile(layout.raw / "images-00000.parquet", layout.raw / name)
    before = digests(layout.raw)
    for act in (lambda: read_manifest(layout.raw), lambda: add(layout, listed(images(picture, range(3))))):
        with pytest.raises(SourceRefused, match=f"{name} was not written by `ganops data add`.*Move it elsewhere"):
            act()
    assert digests(layout.raw) == before


def test_a_store_of_empty_shards_is_no_store(layout: Layout, listed: Any, picture: Picture) -> None:
    layout.raw.mkdir(parents=True)
    pq.write_table(raw_store.SCHEMA.empty_table(), layout.raw / "images-00000.parquet")
    with pytest.raises(UserError, match="ganops data add SOURCE"):
        read_manifest(layout.raw)
    assert add(layout, listed(images(picture, range(1)))).shards == ("images-00001.parquet",)


def spoilt(path: Path, name: str, column: Any) -> None:
    """Write the shard again with another column of that name."""
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.schema.names.index(name), name, [column]), path)


@pytest.mark.parametrize(
    ("name", "column", "complaint"),
    [
        ("label", [1, 2], "column 'label' is int64 and not string"),
        ("width", ["a", "b"], "column 'width' is string and not int32"),
        ("image", [b"1", b"2"], "column 'image' is binary and not struct"),
        ("sha256", ["aa", "zz"], "column 'sha256' does not hold what was measured"),
        ("sha256", pa.array([None, None], pa.string()), "column 'sha256' does not hold what was measured"),
        ("mode", pa.array(["L", None]), "column 'mode' does not hold what was measured"),
    ],
)
def test_a_shard_with_other_columns_is_named(
    layout: Layout, listed: Any, picture: Picture, name: str, column: Any, complaint: str
) -> None:
    add(layout, listed(images(picture, range(2))))
    spoilt(layout.raw / "images-00000.parquet", name, pa.array(column) if isinstance(column, list) else column)
    for act in (lambda: check(layout.raw), lambda: add(layout, listed(images(picture, range(3))))):
        with pytest.raises(SourceRefused, match=f"images-00000.parquet was not written by.*{complaint}"):
            act()


def test_a_shard_whose_text_is_no_utf8_is_named(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(2))))
    text = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xe9\xff", b"a"], pa.binary()).buffers())
    spoilt(layout.raw / "images-00000.parquet", "label", text)
    with pytest.raises(SourceRefused, match=r"images-00000\.parquet is damaged .*UTF8"):
        read_manifest(layout.raw)


def test_a_pipe_among_the_shards_is_not_waited_for(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(2))))
    os.mkfifo(layout.raw / "images-00001.parquet")
    with pytest.raises(SourceRefused, match=r"images-00001\.parquet is a named pipe"):
        read_manifest(layout.raw)


def test_a_shard_that_goes_away_while_it_is_read_is_named(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(2))))
    add(layout, listed(images(picture, range(2, 4))))
    stored = iterate(layout.raw)
    next(stored)
    (layout.raw / "images-00001.parquet").unlink()
    with pytest.raises(SourceRefused, match=r"images-00001\.parquet is damaged .*dvc checkout"):
        list(stored)


def test_half_a_copy_of_a_killed_process_is_cleared(layout: Layout, listed: Any, picture: Picture) -> None:
    add(layout, listed(images(picture, range(2))))
    (layout.raw / ".images-00001.parquet").write_bytes(b"half")
    add(layout, listed(images(picture, range(2, 4))))
    assert list(digests(layout.raw)) == ["images-00000.parquet", "images-00001.parquet"]


def test_labels_that_cannot_be_shown_stay_apart(layout: Layout, listed: Any, picture: Picture) -> None:
    labels = [os.fsdecode(b"caf\xe8"), os.fsdecode(b"caf\xe9"), "a\x00", "a\n"]
    report = add(layout, listed([RawImage(picture(n), f"{n}.png", label) for n, label in enumerate(labels)]))
    assert len(report.labels) == 4 and all(label.isprintable() for label in report.labels)


def test_a_source_of_any_name_can_be_stored(layout: Layout, listed: Any, picture: Picture) -> None:
    name = os.fsdecode(b"caf\xe9\n")
    assert add(layout, listed(images(picture, range(1)), name=name)).source == r"caf\udce9\n"
    assert read_manifest(layout.raw).column("source").to_pylist() == [r"caf\udce9\n"]
    with pytest.raises(SourceRefused) as caught:
        add(layout, listed([Refusal(name, "no")], name=name))
    assert str(caught.value).isprintable()
