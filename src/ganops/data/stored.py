"""Reading back what a stage wrote, which may be damaged, or another version's, by now."""

from __future__ import annotations

import errno
import stat
import tokenize
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from ganops.errors import DamagedFile, NoRoom, UserError
from ganops.files import forbidden, read_plain

Document = TypeVar("Document", bound=BaseModel)
_MOST_HEADER = 2**16
"""Bytes of an .npy file before its array, which is its end."""


def read_document(path: Path, model: type[Document], missing: str, again: str) -> Document:
    """The JSON in `path`, checked against `model`.

    Args:
        missing: the message where there is no such file.
        again: the command that writes it anew.

    Raises:
        UserError: it is missing.
        DamagedFile: it is damaged, or of another format.
    """
    try:
        _require_file(path)
        return model.model_validate_json(read_plain(path))
    except FileNotFoundError:
        raise UserError(missing) from None
    except PermissionError:
        raise DamagedFile(forbidden(path)) from None
    except ValidationError as error:
        first = error.errors()[0]
        reason = ": ".join([*filter(None, [".".join(map(str, first["loc"]))]), first["msg"]])
    except OSError as error:
        reason = error.strerror or str(error)
    raise DamagedFile(f"{path} is damaged, or of another version of GanOps ({reason}): run `{again}` again.")


def read_array(
    path: Path, dtype: type[np.generic], shape: tuple[int | None, ...], again: str, mmap: Literal["r"] | None = None
) -> npt.NDArray[Any]:
    """The array in `path`, unpickled never.

    Args:
        shape: what it has to be; None stands for any length.
        again: the command that writes the file anew.

    Raises:
        DamagedFile: it is missing, damaged, or of another kind or shape.
        NoRoom: memory is short.
    """
    try:
        _require_file(path)
        array = np.load(path, mmap_mode=mmap, allow_pickle=False)
    except PermissionError:
        raise DamagedFile(forbidden(path)) from None
    except (OSError, EOFError, ValueError, OverflowError, MemoryError, SyntaxError, tokenize.TokenError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise NoRoom(_short_of_memory(path)) from None
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedFile(f"{path} is missing or damaged ({reason}): run `{again}` again.") from None
    if not isinstance(array, np.ndarray):
        raise DamagedFile(f"{path} is no .npy file: run `{again}` again.")
    fits = len(array.shape) == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        wanted = "x".join("N" if length is None else str(length) for length in shape)
        found = "x".join(map(str, array.shape))
        raise DamagedFile(
            f"{path} does not fit: it holds {array.dtype} of shape {found}, not {np.dtype(dtype)} of {wanted}; "
            f"run `{again}` again."
        )
    if (more := path.stat().st_size - array.nbytes) > _MOST_HEADER:  # of which a digest would take hours
        raise DamagedFile(
            f"{path} has {more:,} bytes beside those of its array, more than were written: run `{again}` again."
        )
    return array


def _short_of_memory(path: Path) -> str:
    return (
        f"{path} cannot be opened, for memory is short: this process may not take as much as the file is long "
        f"({path.stat().st_size / 1e6:,.1f} MB). End what else runs here, raise the limit (`ulimit -v`), or use a "
        "machine with more; the file itself is not at fault."
    )


def _require_file(path: Path) -> None:
    """Raises OSError for what would be waited for or read without end; a folder says for itself what it is."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
