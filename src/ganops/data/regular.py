"""Only regular files are opened: a named pipe would be waited for without end, a device may have none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ganops.errors import SourceRefused
from ganops.files import forbidden

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def require_regular(path: Path) -> None:
    """Look at what `path` is, links followed, before anything opens it.

    Raises:
        SourceRefused: it is a pipe, socket, device or folder, or the user may not read it.
        OSError: it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError:
        raise SourceRefused(forbidden(path)) from None
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something special")
        raise SourceRefused(
            f"{path} is {kind}, where a regular file is expected, so it was not opened: "
            "put the file itself there, or move this away."
        )
    if not os.access(path, os.R_OK):
        raise SourceRefused(forbidden(path))
