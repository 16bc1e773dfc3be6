"""Atomic files and digests: what is half-written is never seen under its own name."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganops.errors import DamagedFile

MOST_BYTES = 64_000_000
"""Of a file that is read at once and as a rule has thousands: JSON, YAML, a signature."""


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())  # mkstemp makes 0600, which would lock teammates out
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def cache_folder() -> Path:
    """What can be made or fetched again: `$GANOPS_CACHE`, else `$XDG_CACHE_HOME/ganops`, else `~/.cache/ganops`."""
    if named := os.environ.get("GANOPS_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganops"


def publish(finished: Path, path: Path) -> None:
    """Give a file that is complete its own name, in the same folder: durably, and at once for every reader."""
    handle = os.open(finished, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    finished.replace(path)
    _sync_directory(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON; keys keep their order, NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_plain(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a plain file: opening a pipe that lies in its place would wait for ever.

    most: bytes that it can have; a sparse file of no content has more than there is memory.

    Raises:
        OSError: it cannot be read, is no plain file or is larger.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        facts = os.fstat(file.fileno())
        mode = facts.st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "It is no plain file", str(path))
        if facts.st_size > most:
            raise OSError(errno.EFBIG, f"it has {facts.st_size:,} bytes, of {most:,} at most", str(path))
        return file.read()


def read_text(path: Path) -> str:
    """`read_plain` for UTF-8 text, lines ending in a line feed; UnicodeDecodeError where it is none."""
    return read_plain(path).decode().replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(read_plain(path))
    except FileNotFoundError:
        raise
    except PermissionError:
        raise DamagedFile(forbidden(path)) from None
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DamagedFile(
            f"{path} is damaged or cannot be read ({why}). `dvc checkout --force` restores what lies in data/, "
            "`git checkout` the rest."
        ) from None


def forbidden(path: object) -> str:
    """What to say of a file or folder that the user may not read, and what to do: one sentence, with its stop."""
    return (
        f"{path} may not be read by you (permission denied): have the permissions of it, or of the folders that it "
        "lies in, changed, or copy it to where you may read it."
    )


@contextmanager
def replace_directory(target: Path) -> Iterator[Path]:
    """Fill a new directory; it becomes `target` when the block ends well and vanishes when not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        if target.exists():
            shutil.rmtree(target)
        temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_directory(target.parent)


def sha256_bytes(data: bytes) -> str:
    """Hex sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's content, read in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """One byte string per value: sorted keys, no white space, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def digest_json(value: Any) -> str:
    """Hex sha256 of the canonical JSON of `value`."""
    return sha256_bytes(canonical_json(value))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(path: Path) -> None:
    """Make the rename itself durable; not every file system offers this."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)
