"""Reading a file of an extractor that somebody names: whatever it is, it is not waited for and does not fill memory."""

from __future__ import annotations

from pathlib import Path

from ganops.data.regular import require_regular
from ganops.errors import UserError


def read_given(path: Path, what: str, most_bytes: int, advice: str) -> bytes:
    """The content of a regular file of 1 to `most_bytes` bytes.

    what: the file is, for the message, in the singular. advice: what to do where it is missing.

    Raises:
        UserError: it is missing, empty, too large, or cannot be read.
        SourceRefused: it is no regular file, or the user may not read it.
    """
    try:
        require_regular(path)
        size = path.stat().st_size
        content = path.read_bytes() if 0 < size <= most_bytes else b""
    except FileNotFoundError:
        raise UserError(f"There is no file {path}, which was named as {what}. {advice}") from None
    except OSError as error:
        raise UserError(f"{path}, which was named as {what}, cannot be read ({error.strerror}). {advice}") from None
    if size == 0:
        raise UserError(f"{path}, which was named as {what}, is empty: fetch or write it again.")
    if size > most_bytes:
        raise UserError(
            f"{path} is not {what}: it has {size:,} bytes, and at most {most_bytes:,} are read. Name another file."
        )
    return content
