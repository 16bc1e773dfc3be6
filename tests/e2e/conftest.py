"""One small workspace, trained once for all end-to-end tests, through the command line alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from user_shell import SMALL, Shell

from ganops import workspace
from ganops.layout import Layout


@pytest.fixture
def new_workspace(tmp_path: Path) -> Shell:
    """A workspace with no data yet, at a small budget."""
    Shell(tmp_path)("init", "mine")
    workspace.edit_params(Layout(tmp_path / "mine"), SMALL)
    return Shell(tmp_path / "mine")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A workspace after its first run; tests may look, and may not change it."""
    folder = tmp_path_factory.mktemp("trained")
    Shell(folder)("init", "mine")
    workspace.edit_params(Layout(folder / "mine"), SMALL)
    shell = Shell(folder / "mine")
    shell("data", "add", "digits")
    shell("run")
    return shell


@pytest.fixture
def copied(trained: Shell, tmp_path: Path) -> Shell:
    """The trained workspace, moved elsewhere: it stores no absolute path that matters."""
    shutil.copytree(trained.folder, tmp_path / "moved", symlinks=True)
    return Shell(tmp_path / "moved")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many ways of tampering were found, which stands in docs/reliability.md."""
    name = "test_tampering_is_found_and_named"
    counts = {
        outcome: len([report for report in terminalreporter.stats.get(outcome, []) if name in report.nodeid])
        for outcome in ("passed", "failed")
    }
    if tried := sum(counts.values()):
        terminalreporter.write_line(f"tampering: {counts['passed']} of {tried} ways found and named")
