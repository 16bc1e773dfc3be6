"""Eight real processes promote at once: the outcome is that of some order of them, one after the other.

Every decision against a champion has a number k of its own on the reference, so that the order is the one of k. The
stored comparisons are decided on again in that order, and have to come to the same.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from crew import Crew
from ground import REFERENCE, champion_and_stages, reopened, require_whole
from postgres_server import Postgres

from ganops import workspace as workspaces
from ganops.bootstrap import App
from ganops.evaluation.comparison import Comparison
from ganops.gate import decide
from ganops.layout import Layout
from ganops.ports import ModelVersion
from ganops.provenance.journal import Entry
from ganops.stages.promote import Pair

pytestmark = pytest.mark.slow

ROUNDS = 20 if "GANOPS_SOAK" in os.environ else 3
DISTANCES = (20.0, 19.0, 15.0, 17.8, 12.0, 18.0, 14.9, 11.9, 16.0)
"""The champion's, then the eight challengers': who wins depends on the order, and near ones do not beat each other."""


@pytest.fixture(scope="module")
def contest(crew: Crew, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a champion and eight challengers, in its own SQLite; copied for every round."""
    folder = tmp_path_factory.mktemp("contest") / "mine"
    crew("make", folder=str(folder), distances=DISTANCES, changes={})
    return folder


@pytest.fixture(scope="module")
def shared(crew: Crew, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], str, str]:
    """Two workspaces of one registry in PostgreSQL, its database, which is copied for every round, and the lock's."""
    folder, database = tmp_path_factory.mktemp("shared"), postgres.database()
    address = {"MLFLOW_TRACKING_URI": postgres.dsn(database)}
    changes = {"promotion__lock": "env:GANOPS_LOCK"}
    locks = postgres.database()
    lock = {"GANOPS_LOCK": postgres.dsn(locks)}
    workspaces = [folder / "one", folder / "two"]
    crew("make", {**address, **lock}, folder=str(workspaces[0]), distances=DISTANCES, changes=changes)
    crew("join", {**address, **lock}, folder=str(workspaces[1]), distances=DISTANCES, changes=changes)
    return workspaces, database, locks


@pytest.mark.parametrize("number", range(ROUNDS))
def test_eight_processes_on_sqlite(
    number: int, contest: Path, crew: Crew, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    shutil.copytree(contest, tmp_path / "mine")
    app = App(workspaces.load(Layout(tmp_path / "mine")))
    began = time.monotonic()
    told = crew.at_once([("promote", {"folder": str(app.layout.root), "version": n}, {}) for n in range(2, 10)])
    _require_serial([app], told, tell, f"SQLite, round {number + 1}", time.monotonic() - began)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_eight_processes_of_two_workspaces_on_postgresql(
    number: int,
    shared: tuple[list[Path], str, str],
    postgres: Postgres,
    crew: Crew,
    tmp_path: Path,
    tell: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders, template, locks = shared
    environment = {
        "MLFLOW_TRACKING_URI": postgres.dsn(postgres.database(template)),
        "GANOPS_LOCK": postgres.dsn(locks),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for folder in folders:
        shutil.copytree(folder, tmp_path / folder.name)
    apps = [App(workspaces.load(Layout(tmp_path / folder.name))) for folder in folders]
    began = time.monotonic()
    told = crew.at_once(
        [("promote", {"folder": str(apps[n % 2].layout.root), "version": n}, environment) for n in range(2, 10)]
    )
    _require_serial(apps, told, tell, f"PostgreSQL, round {number + 1}", time.monotonic() - began)
    assert len({app.registrar.workspace for app in apps}) == 2


def _require_serial(
    apps: Sequence[App],
    told: Sequence[dict[str, object]],
    tell: Callable[[str], None],
    what: str,
    seconds: float,
) -> None:
    assert all("value" in one for one in told), told
    lines = sorted(_decisions(apps), key=lambda entry: int(entry.details["attempt"]))
    assert [entry.details["attempt"] for entry in lines] == list(range(1, 9)), (
        "every try spends a share of alpha of its own"
    )
    assert sorted(entry.version for entry in lines) == list(range(2, 10))
    versions = {version.version: version for version in apps[0].registry.versions()}
    champion = versions[1]
    for attempt, entry in enumerate(lines, start=1):
        challenger = versions[entry.version]
        assert entry.from_version == champion.version, "it was measured against the champion of its turn"
        decision = decide(_comparison(apps[0], challenger, champion), apps[0].workspace.config.gate, attempt)
        assert entry.event == ("promoted" if decision.promote else "kept-champion")
        assert entry.reason == decision.sentence
        champion = challenger if decision.promote else champion
    for app in apps:
        assert require_whole(reopened(app)) == champion.version
    assert Counter(champion_and_stages(apps[0])[1].values())["Production"] == 1
    promoted = [entry.version for entry in lines if entry.event == "promoted"]
    order = " ".join(str(entry.version) for entry in lines)
    tell(f"races: {what}: order {order}; champions 1 {' '.join(map(str, promoted))}; {seconds:.1f} s")


def _decisions(apps: Sequence[App]) -> list[Entry]:
    """Of the eight, out of the journals of all workspaces, which have to be whole."""
    entries = [entry for app in apps for entry in app.journal.entries()]
    return [entry for entry in entries if entry.event in ("promoted", "kept-champion") and entry.version > 1]


def _comparison(app: App, challenger: ModelVersion, champion: ModelVersion) -> Comparison:
    stored = app.journal.comparison(Pair(challenger, champion, REFERENCE).key)
    assert stored is not None
    return Comparison.from_json(stored)
