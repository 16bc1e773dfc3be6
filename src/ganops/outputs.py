"""Where a user wants a picture or a page: looked at before the work, so that nothing else is written over."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from ganops.errors import UserError

Format = Literal["PNG", "HTML"]
_ENDINGS: Mapping[Format, tuple[str, ...]] = {"PNG": ("", ".png"), "HTML": ("", ".htm", ".html")}
_BEGINNING = 512
_RECOGNISED: Mapping[Format, Callable[[bytes], bool]] = {
    "PNG": lambda beginning: beginning.startswith(b"\x89PNG\r\n\x1a\n"),
    "HTML": lambda beginning: (
        beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))
    ),
}


def require_place(path: Path, option: str = "-o", content: Format = "PNG", inputs: Iterable[str] = ()) -> None:
    """Whether such a file can lie at `path`: it is named as one, and there is none yet, or an older one of the same
    format, or an empty one.

    option: of the command line, for the message. inputs: what the same command reads, as the user wrote it.

    Raises:
        UserError: its ending is another format's, there is no folder for it, or what is there is something else, or is
            read by this command.
    """
    try:
        _require_replaceable(path, option, content)
        read = [Path(spec).expanduser() for spec in inputs]
        taken = [
            each for each in read if path.exists() and each.exists() and path.resolve().is_relative_to(each.resolve())
        ]
    except UserError:
        raise
    except (OSError, ValueError) as error:  # also a name with a zero byte
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise UserError(f"{path} cannot be written: {why}. Choose another file with {option}.") from None
    if taken:
        raise UserError(f"{path} is read by this command ({taken[0]}). Choose another file with {option}.")


def _require_replaceable(path: Path, option: str, content: Format) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder. Name a file in it with {option}.")
    if path.suffix.lower() not in _ENDINGS[content]:
        raise UserError(
            f"What is written is {content} alone, and the name {path} ends in {path.suffix}. Name a file that ends in "
            f"{_ENDINGS[content][-1]} with {option}."
        )
    if not path.parent.is_dir():
        raise UserError(
            f"{path} cannot be written: there is no folder {path.parent}. Make it, or choose another with {option}."
        )
    if not path.exists():
        return
    if not stat.S_ISREG(path.stat().st_mode):
        raise UserError(f"{path} is a pipe or a device, not a file. Choose another with {option}.")
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    if beginning and not _RECOGNISED[content](beginning):
        raise UserError(
            f"{path} is there already and is no {content} file, so that it is not written over. Choose another with "
            f"{option}, or move it away."
        )
