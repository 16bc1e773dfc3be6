"""From what a user typed to a source."""

from __future__ import annotations

import os
from pathlib import Path

from ganops.data.regular import require_regular
from ganops.data.sources.archive import TarArchive, ZipArchive, is_archive_name
from ganops.data.sources.base import Source
from ganops.data.sources.cifar import Cifar10Folder
from ganops.data.sources.digits import Digits
from ganops.data.sources.fashion_mnist import FashionMnist
from ganops.data.sources.folder import ImageFolder, SingleImage
from ganops.data.sources.idx import IdxFile, IdxFolder
from ganops.data.sources.parquet import ParquetImages, parquet_files
from ganops.errors import SourceRefused, UserError
from ganops.files import forbidden

KINDS = (
    "digits, fashion-mnist, a folder of images (class subfolders become labels), of IDX files, of CIFAR-10's binary "
    "files or of parquet files, an IDX images file, a zip or tar of images, a parquet file, or one image"
)


def open_source(spec: str) -> Source:
    """The source that `spec` names: `digits`, `fashion-mnist`, or a path of any known kind.

    Raises:
        UserError: there is no such thing.
        SourceRefused: it is there but cannot be read as images.
    """
    if spec == "digits":
        return Digits()
    if spec == "fashion-mnist":
        return FashionMnist()
    if not spec.strip():
        raise UserError(f"No source is named. A source is {KINDS}.")
    path = Path(os.path.expanduser(spec))  # noqa: PTH111  # which leaves an unknown ~user as it stands
    try:
        if path.is_dir():
            return _open_folder(path)
        if path.exists():
            return _open_file(path)
    except PermissionError as error:
        raise SourceRefused(forbidden(error.filename or path)) from None
    except OSError as error:  # a name too long, a disk that fails
        raise UserError(f"'{spec}' cannot be looked at: {error.strerror or error}. A source is {KINDS}.") from None
    raise UserError(f"There is no file or folder '{spec}'. A source is {KINDS}.")


def _open_folder(path: Path) -> Source:
    if IdxFolder.recognises(path):
        return IdxFolder(path)
    if Cifar10Folder.recognises(path):
        return Cifar10Folder(path)
    if parquet_files(path):
        return ParquetImages(path)
    return ImageFolder(path)


def _open_file(path: Path) -> Source:
    require_regular(path)
    if path.stat().st_size == 0:
        raise SourceRefused(f"{path} is empty. A source is {KINDS}.")
    if path.suffix == ".parquet":
        return ParquetImages(path)
    if is_archive_name(path.name):
        return _open_archive(path)
    if "-ubyte" in path.name:
        return IdxFile(path)
    return SingleImage(path)


def _open_archive(path: Path) -> Source:
    if TarArchive.recognises(path):
        return TarArchive(path)
    if ZipArchive.recognises(path):
        return ZipArchive(path)
    raise SourceRefused(f"{path} is named like an archive, but it is none or it is truncated. Fetch or pack it again.")
