"""DVC's records and cache, held against the files: what `dvc.lock` and `*.dvc` say, and what is there.

DVC names a folder by the md5 of a JSON list of its files' md5s, kept in its cache beside the files. Md5 is identity,
not security: our own sha256 stands beside it in statements.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganops.errors import DamagedFile
from ganops.files import read_text, replace_directory
from ganops.layout import Layout
from ganops.ports import Damage
from ganops.provenance.facts import RelativeName

_FOLDER = ".dir"


@final
class _File(BaseModel):
    """An entry of a folder's list."""

    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    relpath: RelativeName


_FILES = TypeAdapter(list[_File])


@final
@dataclass(frozen=True)
class DvcStore:
    """Implements `ports.DataStore`."""

    layout: Layout

    def differences(self) -> Sequence[str]:
        found = []
        for name in self._recording():
            try:
                outputs = list(self._recorded(name))
            except DamagedFile as error:
                found.append(str(error))
            else:
                found += [sentence for path, md5 in outputs for sentence in self._difference(name, path, md5)]
        return found

    def damage(self, md5: str) -> Damage:
        try:
            files = self._listed(md5)
        except FileNotFoundError:
            return Damage(missing=(f"DVC's cache does not hold the list of the folder with md5 {md5[:12]}.",))
        except DamagedFile as error:
            return Damage(edited=(str(error),))
        edited, missing = [], []
        for name, digest in files.items():
            cached = self._cached(digest)
            if not cached.is_file():
                missing.append(f"{name} (md5 {digest[:12]}) is not in DVC's cache.")
            elif _md5(cached) != digest:
                edited.append(f"{name} in DVC's cache is not what was recorded (md5 {digest[:12]}).")
        return Damage(tuple(edited), tuple(missing))

    def restore(self, md5: str, folder: Path) -> bool:
        if self.damage(md5) != Damage():
            return False
        with replace_directory(folder) as temporary:
            for name, digest in self._listed(md5).items():
                target = temporary / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._cached(digest), target)
        return True

    # ------------------------------------------------------------ records

    def _recording(self) -> Iterator[str]:
        """The files that record data, named below the workspace."""
        for path in (*sorted(self.layout.data.glob("*.dvc")), self.layout.root / "dvc.lock"):
            if path.exists():
                yield path.relative_to(self.layout.root).as_posix()

    def _recorded(self, name: str) -> Iterator[tuple[Path, str]]:
        """Each output that a file records, and its md5."""
        path = self.layout.root / name
        try:
            document = YAML(typ="safe", pure=True).load(read_text(path))
            tables = [document] if path.suffix == ".dvc" else list((document["stages"] or {}).values())
            outputs = [(str(item["path"]), str(item["md5"])) for table in tables for item in table.get("outs") or []]
        except (OSError, ValueError, YAMLError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise DamagedFile(f"{name} is damaged ({' '.join(str(error).split())[:200]}).") from None
        base = path.parent if path.suffix == ".dvc" else self.layout.root
        for output, md5 in outputs:
            if ".." in PurePosixPath(output).parts or PurePosixPath(output).is_absolute():
                raise DamagedFile(f"{name} names data outside of the workspace: {output[:100]!r}.")
            yield base / output, md5

    def _difference(self, source: str, path: Path, md5: str) -> Iterator[str]:
        name = path.relative_to(self.layout.root).as_posix()
        if not path.exists():
            yield f"{name} is recorded in {source} but is not there. `dvc checkout {name}` restores it."
            return
        files = {"": _md5(path)} if path.is_file() else _files(path)
        actual = files[""] if path.is_file() else _folder_md5(files)
        if actual == md5:
            return
        try:
            recorded: Mapping[str, str] = self._listed(md5)
        except (FileNotFoundError, DamagedFile):
            recorded = {}
        yield f"{name} is not what {source} says (md5 {actual[:12]}, not {md5[:12]}){_which(files, recorded)}."

    # ------------------------------------------------------------ the cache

    def _listed(self, md5: str) -> Mapping[str, str]:
        """Name to md5 of a recorded folder's files.

        Raises:
            FileNotFoundError: the cache does not hold the list.
            DamagedFile: it is not what its name says, or names files outside of the folder.
        """
        if not re.fullmatch(r"[0-9a-f]{32}\.dir", md5):
            raise DamagedFile(f"'{md5[:60]}' is no md5 of a folder.")
        content = self._cached(md5).read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5.removesuffix(_FOLDER):
            raise DamagedFile(f"DVC's list of the folder with md5 {md5[:12]} was edited.")
        try:
            return {file.relpath: file.md5 for file in _FILES.validate_json(content)}
        except ValidationError:
            raise DamagedFile(f"DVC's list of the folder with md5 {md5[:12]} is none, or leads out of it.") from None

    def _cached(self, md5: str) -> Path:
        return self._cache / "files" / "md5" / md5[:2] / md5[2:]

    @cached_property
    def _cache(self) -> Path:
        settings = ConfigParser(interpolation=None, strict=False)
        folder = self.layout.root / ".dvc"
        with suppress(ConfigError):
            settings.read([folder / "config", folder / "config.local"], encoding="utf-8")
        return folder / settings.get("cache", "dir", fallback="cache")


def _which(files: Mapping[str, str], recorded: Mapping[str, str]) -> str:
    odd = sorted(name for name in {*files, *recorded} if files.get(name) != recorded.get(name))
    return f": {', '.join(odd[:5])}{' and more' if len(odd) > 5 else ''} differ" if odd and recorded else ""


def _files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): _md5(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _folder_md5(files: Mapping[str, str]) -> str:
    listed = [{"md5": md5, "relpath": name} for name, md5 in sorted(files.items())]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + _FOLDER


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
