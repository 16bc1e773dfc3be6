"""What the names of a folder or an archive say: label, split, and what is not meant for us; and how they are shown."""

from __future__ import annotations

from pathlib import PurePosixPath

_MAX_SHOWN = 200

# Images held back for choosing are held back here too: both are "test" as far as the source's split goes.
_SPLITS = {"train": "train", "test": "test", "val": "test", "valid": "test", "validation": "test"}


def printable(text: str) -> str:
    """Names are whatever bytes a file system or an archive holds; what is stored is plain text.

    The rest is escaped, not replaced, so that two labels never become one.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def shown(text: str) -> str:
    """`printable`, and short enough for a message."""
    text = printable(text)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def is_hidden(path: PurePosixPath) -> bool:
    """Dot files, and the shadow folder that macOS puts into archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def has_splits(top_folders: frozenset[str]) -> bool:
    """Whether the first level is a split (`train`, and perhaps `test` or `val`) rather than classes."""
    return "train" in top_folders and top_folders <= _SPLITS.keys()


def label_and_split(path: PurePosixPath, splits: bool) -> tuple[str | None, str | None]:
    """The label is the first folder (below the split's), none for a file that lies in no folder."""
    folders = path.parts[:-1]
    if not splits:
        return (folders[0] if folders else None), None
    return (folders[1] if len(folders) > 1 else None), (_SPLITS[folders[0]] if folders else None)
