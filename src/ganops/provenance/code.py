"""Digests of the GanOps sources that a stage runs.

A stage's sources are the transitive closure of the `ganops` imports of the files that implement
it, read from the syntax tree: nothing is listed by hand, so nothing can be forgotten. The digest
file is in the format of `sha256sum`, so that a difference names the module that changed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import ganops
from ganops.files import sha256_bytes, write_text

ROOTS: Mapping[str, tuple[str, ...]] = {
    "validate": ("ganops.stages.validate", "ganops.adapters.gx_validator"),
    "prepare": ("ganops.stages.prepare",),
    "reference": ("ganops.stages.reference",),
    "train": ("ganops.stages.train", "ganops.stages.train_rank"),
    "evaluate": ("ganops.stages.evaluate", "ganops.stages.sampling_rank"),
}
"""The modules that implement each stage of `dvc.yaml`."""

_PACKAGE = Path(ganops.__file__).parent


def refresh(folder: Path) -> None:
    """Write `folder/STAGE.sha256` for every stage whose sources differ from what the file says."""
    for stage in ROOTS:
        path = folder / f"{stage}.sha256"
        listing = sources_listing(stage)
        if not path.exists() or path.read_text(encoding="utf-8") != listing:
            write_text(path, listing)


def sources_listing(stage: str) -> str:
    """One line `sha256  path` per source file of the stage, sorted by path."""
    return _listing(ROOTS[stage])


def _listing(modules: tuple[str, ...]) -> str:
    paths = sorted({path for module in modules for path in _closure(module)})
    return "".join(f"{sha256_bytes(path.read_bytes())}  ganops/{path.relative_to(_PACKAGE)}\n" for path in paths)


def code_digest(stage: str) -> str:
    """One sha256 over all the stage's sources."""
    return sha256_bytes(sources_listing(stage).encode())


def modules_digest(*modules: str) -> str:
    """One sha256 over the sources of these modules and of all that they import of GanOps."""
    return sha256_bytes(_listing(modules).encode())


def _closure(root: str) -> set[Path]:
    assert _path(root) is not None, f"there is no module {root}"
    found: set[Path] = set()
    waiting = [root]
    while waiting:
        path = _path(waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        waiting.extend(_imports(path))
    return found


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Names of `ganops` modules that a file imports, with the packages that hold them."""
    return tuple(_named(path))


def _named(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: imports are absolute here"
            # `from package import name`: the name may be a module itself
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "ganops":
                yield from (".".join(parts[:end]) for end in range(2, len(parts) + 1))


@cache
def _path(module: str) -> Path | None:
    relative = Path(*module.split(".")[1:])
    for candidate in (_PACKAGE / relative.with_suffix(".py"), _PACKAGE / relative / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
