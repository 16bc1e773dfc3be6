"""A workspace: a directory that holds `params.yaml`, `dvc.yaml` and `data/`.

Commands find it from the working directory upward. What it stores names no absolute path, so it
can be moved.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, final

from ruamel.yaml import YAML

from ganops import config as configuration
from ganops import plain_yaml
from ganops.config import Config
from ganops.config.wording import shortened
from ganops.errors import ConfigError, DamagedFile, WorkspaceError, unwritable
from ganops.files import forbidden, read_text, write_text
from ganops.layout import Layout
from ganops.locks import held

TEMPLATE = ("params.yaml", "dvc.yaml", "prefect.yaml", "flows", "mlflow", ".gitignore")
"""What `ganops init` copies from the template: a workspace is a copy of the repository's root."""
_MARKS = ("params.yaml", "dvc.yaml")
"""What makes a folder a workspace."""


@final
@dataclass(frozen=True)
class Workspace:
    """An existing workspace and its checked configuration."""

    layout: Layout
    config: Config

    @property
    def root(self) -> Path:
        return self.layout.root


def find(start: Path) -> Layout:
    """The workspace that holds `start`, looked for upward.

    Raises:
        WorkspaceError: there is none; the message says how to make one.
    """
    try:
        start = start.resolve()
        for folder in (start, *start.parents):
            lost = [name for name in _MARKS if not (folder / name).is_file()]
            if not lost:
                return Layout(folder)
            if len(lost) == 1 and (folder / ".ganops").is_dir():
                raise WorkspaceError(_restore(folder / lost[0]))
    except PermissionError:
        raise
    except (OSError, RuntimeError) as error:  # a name too long; links that lead to themselves
        why = (error.strerror if isinstance(error, OSError) else None) or "its links lead to themselves"
        raise WorkspaceError(
            f"No workspace can be looked for in {shortened(str(start))}: {why}. Name an existing folder with "
            "--workspace DIR, or change into one."
        ) from None
    raise WorkspaceError(
        f"No workspace was found in {start} or above it (a workspace holds params.yaml and dvc.yaml). "
        "Make one with `ganops init DIR`, change into one, or name one with --workspace DIR."
    )


def _restore(lost: Path) -> str:
    """What to say of a file without which a workspace is none."""
    if not os.path.lexists(lost):
        return f"{lost} is missing. Restore it with `git checkout {lost.name}`."
    what = "a link to nothing" if not lost.exists() else "a folder" if lost.is_dir() else "no regular file"
    return f"{lost} is {what}, so it was not read. Move it away, and restore it with `git checkout {lost.name}`."


def load(layout: Layout) -> Workspace:
    """Read and check `params.yaml`; `ConfigError` says what is wrong in it."""
    return Workspace(layout, read_config(layout.params))


def read_config(path: Path) -> Config:
    """The checked configuration in a YAML file."""
    try:
        mapping = plain_yaml.load(read_text(path))
    except FileNotFoundError:
        raise WorkspaceError(f"{path} does not exist. Restore it from git, or make a workspace anew.") from None
    except PermissionError:
        raise WorkspaceError(forbidden(path)) from None
    except OSError as error:
        raise WorkspaceError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}. Save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid YAML: {_one_line(error)}.") from None
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{path} must hold sections such as `data:` and `candidates:`, but it {_instead(mapping)}.")
    return configuration.parse(mapping, where=path.name)


def _instead(value: object) -> str:
    if value is None:
        return "is empty"
    if isinstance(value, str):
        return f"holds the text {value[:100]!r}"
    return "holds a list" if isinstance(value, list) else "holds a single value"


def edit_params(layout: Layout, changes: Mapping[str, Any]) -> None:
    """Set dotted keys of `params.yaml`, keeping its comments; the result is checked before it is written."""
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 120
    editor.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    document = editor.load(read_text(layout.params))
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        section = document
        for part in sections:
            section = section[part]
        section[key] = value
    configuration.parse(_plain(document))
    text = io.StringIO()
    editor.dump(document, text)
    write_text(layout.params, text.getvalue())


def set_seed(layout: Layout, seed: int) -> None:
    """Change the one line `seed: N` of `params.yaml` and no other character."""
    text = read_text(layout.params)
    changed, count = re.subn(r"(?m)^seed:[ \t]*[0-9]+", f"seed: {seed}", text, count=1)
    if count:
        write_text(layout.params, changed)
    else:
        edit_params(layout, {"seed": seed})


def create(folder: Path) -> Layout:
    """Write a new workspace's files into `folder`, which may exist but must not be one already."""
    layout = Layout(folder.resolve())
    if layout.params.exists() or layout.pipeline.exists():
        raise WorkspaceError(
            f"{layout.root} is a workspace already (it holds params.yaml or dvc.yaml). Choose another folder."
        )
    template = _template()
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        for name in TEMPLATE:
            _copy(template(name), layout.root / name)
        layout.data.mkdir(exist_ok=True)
    except OSError as error:
        raise unwritable(
            error,
            f"The workspace cannot be written to {layout.root}: {error.strerror or _one_line(error)}. Choose a folder "
            "that you may write to.",
        ) from None
    return layout


def require_writable(layout: Layout) -> None:
    """`WorkspaceError` when nothing can be written here, `NoRoom` where the disk is full."""
    try:
        layout.state.mkdir(parents=True, exist_ok=True)
        probe = layout.state / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable(
            error,
            f"The workspace {layout.root} cannot be written to: {error.strerror}. "
            "Change its permissions, make room, or copy it to where you may write.",
        ) from None


@contextmanager
def exclusive(layout: Layout, purpose: str) -> Iterator[None]:
    """Hold the workspace; a second holder gets `WorkspaceBusy` at once, a killed one lets go by itself."""
    with _held(layout, purpose, fcntl.LOCK_EX):
        yield


@contextmanager
def shared(layout: Layout, purpose: str) -> Iterator[None]:
    """Hold the workspace beside others that share it; `WorkspaceBusy` where one holds it for itself alone."""
    with _held(layout, purpose, fcntl.LOCK_SH):
        yield


@contextmanager
def _held(layout: Layout, purpose: str, how: int) -> Iterator[None]:
    require_writable(layout)

    def busy(holder: str) -> str:
        return (
            f"The workspace {layout.root} is in use by {holder}. Wait until it has ended, or stop it; "
            "nothing was changed."
        )

    with held(layout.state / "run.lock", how, f"`{purpose}` (process {os.getpid()})", busy):
        yield


def _template() -> Any:
    """How to find a template file: in the installed package, or in the repository of a checkout."""
    packaged = Path(str(resources.files("ganops"))) / "template"
    if packaged.is_dir():
        return lambda name: packaged / ("gitignore" if name == ".gitignore" else name)
    return lambda name: Path(__file__).resolve().parents[2] / name


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".env"))
    elif target.exists() and target.name == ".gitignore":
        write_text(target, target.read_text(encoding="utf-8").rstrip() + "\n\n" + source.read_text(encoding="utf-8"))
    else:
        shutil.copyfile(source, target)


def _plain(document: Any) -> Any:
    """Round-trip YAML containers as plain data."""
    if isinstance(document, Mapping):
        return {str(key): _plain(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_plain(value) for value in document]
    return document


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def workspace_id(layout: Layout) -> str:
    """Which workspace this is: made once, of this machine alone, so that a clone is another one.

    Raises:
        DamagedFile: the note of it is not what was written.
    """
    path = layout.state / "workspace-id"
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        write_text(fresh, f"{uuid.uuid4()}\n")
        try:
            os.link(fresh, path)  # the first of several processes wins
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    written = path.read_bytes()[:200].decode(errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", written):
        raise DamagedFile(
            f"{path} is damaged: it holds the id under which the registry knows this workspace. Restore it from a "
            "copy; or delete it, and take the model over with `ganops doctor --adopt`."
        )
    return written
