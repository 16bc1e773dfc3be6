"""Adding images to the raw store: streamed, measured, de-duplicated, packed into parquet shards.

The same source gives the same bytes on every machine with the same pyarrow and Pillow. Existing shards are never
touched: an addition is new shards with the next numbers.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import pyarrow as pa
import pyarrow.parquet as pq

from ganops.data.facts import ImageFacts, measure
from ganops.data.manifest import FACTS, IMAGE, known_digests, shards
from ganops.data.pixels import Undecodable
from ganops.data.sizes import most_frequent
from ganops.data.sources.base import RawImage, Refusal, Source
from ganops.data.sources.naming import printable, shown
from ganops.errors import SourceRefused, WorkspaceBusy, unwritable
from ganops.layout import Layout
from ganops.progress import Progress, silent

SHARD_IMAGES = 20_000
SHARD_BYTES = 64 * 2**20
GROUP_IMAGES = 1_000
GROUP_BYTES = 16 * 2**20
KEPT_REFUSALS = 1_000

# Lets Hugging Face's `datasets` show the column as images.
_HUGGING_FACE = {
    "info": {
        "features": {
            "image": {"_type": "Image"},
            **{field.name: {"dtype": str(field.type), "_type": "Value"} for field in FACTS},
        }
    }
}
SCHEMA = pa.schema([pa.field("image", IMAGE), *FACTS], metadata={"huggingface": json.dumps(_HUGGING_FACE)})


@final
@dataclass(frozen=True)
class AddReport:
    """What an addition took and what it refused. Counts are of the images taken."""

    source: str
    taken: int
    duplicates: int
    """Images whose bytes are in the store already, or came before in the same source."""
    refused: tuple[Refusal, ...]
    """The first `KEPT_REFUSALS` of them."""
    refused_count: int
    shards: tuple[str, ...]
    """Names of the new shards."""
    encoded_bytes: int
    labels: dict[str, int]
    """Images without a label are not counted here."""
    sizes: dict[str, int]
    """By `WIDTHxHEIGHT`, as `most_frequent` leaves them."""
    size_count: int
    """How many different sizes there are."""
    modes: dict[str, int]
    splits: dict[str, int]
    """The source's own split, where it has one."""


@dataclass
class _Tally:
    """The counts of an `AddReport` while they grow."""

    taken: int = 0
    duplicates: int = 0
    refused: list[Refusal] = field(default_factory=list)
    refused_count: int = 0
    encoded_bytes: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)

    def refuse(self, refusal: Refusal) -> None:
        self.refused_count += 1
        if len(self.refused) < KEPT_REFUSALS:
            self.refused.append(refusal)

    def take(self, raw: RawImage, facts: ImageFacts) -> None:
        self.taken += 1
        self.encoded_bytes += len(raw.data)
        self.sizes[f"{facts.width}x{facts.height}"] += 1
        self.modes[facts.mode] += 1
        if raw.label is not None:
            self.labels[raw.label] += 1
        if raw.split is not None:
            self.splits[raw.split] += 1

    def report(self, source: str, names: tuple[str, ...]) -> AddReport:
        return AddReport(
            source, self.taken, self.duplicates, tuple(self.refused), self.refused_count, names, self.encoded_bytes,
            dict(sorted(self.labels.items())), most_frequent(self.sizes), len(self.sizes),
            dict(self.modes.most_common()), dict(sorted(self.splits.items())),
        )  # fmt: skip


def add(layout: Layout, source: Source, progress: Progress = silent) -> AddReport:
    """Append the images of `source` to `layout.raw`; nothing is written unless the whole source could be read.

    Memory holds one row group and 32 bytes for each image of the store, whatever the source's size.

    Raises:
        SourceRefused: the source is damaged, or holds nothing that can be read.
        WorkspaceBusy: another addition runs in this workspace.
        WorkspaceError: the workspace cannot be written.
    """
    with _exclusive(layout) as temporary:
        existing = shards(layout.raw)
        seen = known_digests(layout.raw)
        tally = _Tally()
        name = printable(source.name)
        with _ShardWriter(temporary, _next_number(existing)) as writer:
            for raw, facts in _new_images(source, seen, tally, progress):
                writer.write(_row(raw, facts, name), len(raw.data))
                tally.take(raw, facts)
        if not tally.taken and not tally.duplicates:
            raise SourceRefused(_nothing_readable(name, tally))
        _move_in(writer.paths, layout.raw)
    return tally.report(name, tuple(path.name for path in writer.paths))


def _new_images(
    source: Source, seen: set[bytes], tally: _Tally, progress: Progress
) -> Iterator[tuple[RawImage, ImageFacts]]:
    """The images to take, measured; what is refused or known goes to the tally alone."""
    for done, item in enumerate(source):
        if done % 200 == 0:
            progress(done, source.expected, "adding images")
        if isinstance(item, Refusal):
            tally.refuse(Refusal(printable(item.path), printable(item.reason)))
            continue
        raw = replace(item, path=printable(item.path), label=printable(item.label or "") or None)
        try:
            facts = measure(raw.data)
        except Undecodable as error:
            tally.refuse(Refusal(raw.path, printable(str(error))))
            continue
        digest = bytes.fromhex(facts.sha256)
        if digest in seen:
            tally.duplicates += 1
            continue
        seen.add(digest)
        yield raw, facts
    progress(tally.taken, tally.taken, "adding images")


def _row(raw: RawImage, facts: ImageFacts, source: str) -> dict[str, Any]:
    image = {"bytes": raw.data, "path": raw.path}
    return {"image": image, "label": raw.label, "split": raw.split, "source": source, **facts.as_dict()}


@final
class _ShardWriter:
    """Packs rows into row groups and row groups into numbered shards."""

    def __init__(self, folder: Path, first_number: int) -> None:
        self.paths: list[Path] = []
        self._folder = folder
        self._number = first_number
        self._file: pq.ParquetWriter | None = None
        self._rows: list[dict[str, Any]] = []
        self._group_bytes = self._shard_bytes = self._shard_images = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._close()

    def write(self, row: dict[str, Any], size: int) -> None:
        """Take one row whose image is `size` bytes long."""
        self._rows.append(row)
        self._group_bytes += size
        if len(self._rows) == GROUP_IMAGES or self._group_bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        table = pa.Table.from_pylist(self._rows, schema=SCHEMA)
        with _writing(self._folder):
            if self._file is None:
                self.paths.append(self._folder / f"images-{self._number:05d}.parquet")
                self._file = pq.ParquetWriter(self.paths[-1], SCHEMA, compression="snappy")
            self._file.write_table(table)
        self._shard_images += len(self._rows)
        self._shard_bytes += self._group_bytes
        self._rows, self._group_bytes = [], 0
        if self._shard_images >= SHARD_IMAGES or self._shard_bytes >= SHARD_BYTES:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            with _writing(self._folder):
                self._file.close()
            self._file, self._shard_images, self._shard_bytes = None, 0, 0
            self._number += 1


def _next_number(existing: list[Path]) -> int:
    return max((int(path.stem.removeprefix("images-")) for path in existing), default=-1) + 1


def _move_in(paths: list[Path], raw: Path) -> None:
    """Each shard appears whole. Should the process be killed in between, adding the source again completes it."""
    with _writing(raw):
        if paths:
            raw.mkdir(parents=True, exist_ok=True)
        for half in raw.glob(".images-*.parquet"):  # of a process that was killed
            half.unlink()
        for path in paths:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            try:
                path.replace(raw / path.name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                hidden = raw / f".{path.name}"  # data/ on another disk: copy beside the target, then rename
                shutil.copyfile(path, hidden)
                hidden.replace(raw / path.name)


def _nothing_readable(name: str, tally: _Tally) -> str:
    if not tally.refused_count:
        return f"The source {name} holds no images. Pass a folder, archive or file that has some."
    first = "; ".join(f"{shown(refusal.path)}: {refusal.reason}" for refusal in tally.refused[:3])
    return (
        f"Nothing in {name} can be read as an image: {tally.refused_count} refused, the first being {first}. "
        "Pass a folder, archive or file of images; nothing was added."
    )


@contextmanager
def _exclusive(layout: Layout) -> Iterator[Path]:
    """A temporary folder for the new shards, under a lock that dies with the process."""
    with _writing(layout.state):
        layout.state.mkdir(parents=True, exist_ok=True)
        lock = (layout.state / "data-add.lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkspaceBusy(
                f"Another `ganops data add` is running in {layout.root}: wait until it is done, then try again."
            ) from None
        for left_over in layout.state.glob("data-add-*"):  # of a process that was killed
            shutil.rmtree(left_over, ignore_errors=True)
        with _writing(layout.state):
            temporary = tempfile.TemporaryDirectory(prefix="data-add-", dir=layout.state)
        with temporary as folder:
            yield Path(folder)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(
            error,
            f"{folder} cannot be written: {error.strerror or error}. Check permissions and free space; "
            "the images that were there before are untouched.",
        ) from None
