"""One small workspace, trained once for all end-to-end tests, through the command line alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from user_shell import SMALL, Shell

from ganops import workspace
from ganops.layout import Layout


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace as `ganops init` makes it, at a small budget; to be copied."""
    folder = tmp_path_factory.mktemp("initialised")
    Shell(folder)("init", "mine")
    workspace.edit_params(Layout(folder / "mine"), SMALL)
    return folder / "mine"


@pytest.fixture
def new_workspace(initialised: Path, tmp_path: Path) -> Shell:
    """A workspace with no data yet, at a small budget."""
    shutil.copytree(initialised, tmp_path / "mine", symlinks=True)
    return Shell(tmp_path / "mine")


@pytest.fixture(scope="session")
def trained(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A workspace after its first run; tests may look, and may not change it."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(initialised, folder / "mine", symlinks=True)
    shell = Shell(folder / "mine")
    shell("data", "add", "digits")
    shell("run")
    return shell


@pytest.fixture
def copied(trained: Shell, tmp_path: Path) -> Shell:
    """The trained workspace, moved elsewhere: it stores no absolute path that matters."""
    shutil.copytree(trained.folder, tmp_path / "moved", symlinks=True)
    return Shell(tmp_path / "moved")
