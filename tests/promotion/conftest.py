"""What promotion's tests share: processes to promote in, a workspace to copy, a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from crew import Crew
from ground import reopened
from postgres_server import Postgres, programs, serving

from ganops import workspace as workspaces
from ganops.bootstrap import App
from ganops.layout import Layout

DISTANCES = (10.0, 8.0, 11.0)
"""Of versions 1, 2 and 3. 1 is the champion; 2 is better than it; 3 is worse than either."""


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    """Processes, forked from one that has everything imported."""
    crew = Crew()
    yield crew
    crew.close()


@pytest.fixture(scope="session")
def promoted(crew: Crew, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose champion is version 1 and whose challenger is version 3; to be copied."""
    folder = tmp_path_factory.mktemp("promoted") / "mine"
    crew("make", folder=str(folder), distances=DISTANCES, changes={})
    return folder


@pytest.fixture
def app(promoted: Path, tmp_path: Path) -> App:
    """That workspace, copied."""
    shutil.copytree(promoted, tmp_path / "copy")
    return App(workspaces.load(Layout(tmp_path / "copy")))


@pytest.fixture
def manual(app: App) -> App:
    """The same, where a person has the last word."""
    return reopened(app, gate__policy="manual")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL; without one the test is skipped, and says so, but not in continuous integration."""
    found = programs()
    if found is None:
        reason = "there is no PostgreSQL server here: apt-get install postgresql"
        assert "GANOPS_CI" not in os.environ, reason
        pytest.skip(reason)
    with serving(found) as server:
        yield server
