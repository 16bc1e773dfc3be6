"""A folder of image files, or one image file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import final

from ganops.data.sources.base import MAX_ENCODED_BYTES, RawImage, Refusal, too_large
from ganops.data.sources.naming import has_splits, is_hidden, label_and_split
from ganops.errors import SourceRefused


@final
class ImageFolder:
    """Class subfolders become labels, a flat folder has none; `train/` with `test/` or `val/` on top are a split.

    Files come sorted by name. Hidden files are passed over; links out of the folder are refused.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()
        self.name = self._root.name
        entries = [path for path in _listed(self._root) if not path.name.startswith(".")]
        if not entries:
            raise SourceRefused(f"The folder {folder} is empty: put images into it, or pass the folder that has them.")
        self.expected = sum(1 for _ in _files(self._root))
        self._splits = has_splits(frozenset(path.name for path in entries if path.is_dir()))

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        for path in _files(self._root):
            yield self._item(path)

    def _item(self, path: Path) -> RawImage | Refusal:
        relative = PurePosixPath(path.relative_to(self._root).as_posix())
        try:
            if not path.resolve().is_relative_to(self._root):
                return Refusal(str(relative), "a link that leaves the folder")
            if path.is_dir():
                return Refusal(str(relative), "a link to a folder, which is not followed")
        except RuntimeError:  # links that lead to each other
            return Refusal(str(relative), "a link that leads nowhere")
        except OSError as error:
            return Refusal(str(relative), f"cannot be read: {error.strerror or error}")
        label, split = label_and_split(relative, self._splits)
        return _read(path, str(relative), label, split)


@final
class SingleImage:
    """One image file, without a label."""

    expected = 1

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.resolve().name

    def __iter__(self) -> Iterator[RawImage | Refusal]:
        yield _read(self._path, self._path.name, None, None)


def _read(path: Path, shown: str, label: str | None, split: str | None) -> RawImage | Refusal:
    try:
        if not path.is_file():
            return Refusal(shown, "not a regular file, or a link to nothing")
        size = path.stat().st_size
        if size > MAX_ENCODED_BYTES:
            return too_large(shown, size)
        with path.open("rb") as file:
            return RawImage(file.read(MAX_ENCODED_BYTES), shown, label, split)
    except OSError as error:
        return Refusal(shown, f"cannot be read: {error.strerror or error}")


def _files(folder: Path) -> Iterator[Path]:
    """All visible files below `folder`, depth first, sorted; of links to folders only the link itself."""
    waiting = _visible_reversed(folder)  # no recursion: folders nest deeper than Python's stack
    while waiting:
        path = waiting.pop()
        if _is_own_folder(path):
            waiting += _visible_reversed(path)
        else:
            yield path


def _visible_reversed(folder: Path) -> list[Path]:
    return [path for path in reversed(_listed(folder)) if not is_hidden(PurePosixPath(path.name))]


def _is_own_folder(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink()
    except OSError:  # reading it will say why
        return False


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise SourceRefused(
            f"The folder {folder} cannot be listed: {error.strerror or error}. Mend that, or pass another folder."
        ) from None
