"""`kill -9` between any two calls of registry and journal: afterwards the old champion or the new one, whole."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from crew import Crew
from ground import reopened

from ganops import workspace as workspaces
from ganops.bootstrap import App
from ganops.layout import Layout

pytestmark = pytest.mark.slow

SOAK = "GANOPS_SOAK" in os.environ
ACTS = {"promote": (1, 2), "approve": (1, 2), "rollback": (2, 1)}
"""The champion before and after."""


@pytest.fixture(scope="module")
def ready(promoted: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A workspace just before each act."""
    folders = {act: tmp_path_factory.mktemp(act) / "mine" for act in ACTS}
    for act, folder in folders.items():
        shutil.copytree(promoted, folder)
        app = App(workspaces.load(Layout(folder)))
        if act == "approve":
            assert reopened(app, gate__policy="manual").decide(2).outcome == "pending"
        elif act == "rollback":
            assert app.decide(2).outcome == "promoted"
    return folders


@pytest.mark.parametrize("act", list(ACTS))
def test_a_kill_anywhere_leaves_the_old_champion_or_the_new_one(
    act: str, crew: Crew, ready: dict[str, Path], tmp_path: Path, tell: Callable[[str], None]
) -> None:
    old, new = ACTS[act]
    shutil.copytree(ready[act], tmp_path / "whole")
    calls = crew("dying", folder=str(tmp_path / "whole"), act=act, kill_at=None)
    assert crew("look", folder=str(tmp_path / "whole")) == new and calls >= 12
    step = 1 if SOAK or act == "promote" else 4
    ends = {old: 0, new: 0}
    for point in range(0, calls, step):
        crashed = tmp_path / f"at-{point}"
        shutil.copytree(ready[act], crashed)
        (told,) = crew.at_once([("dying", {"folder": str(crashed), "act": act, "kill_at": point}, {})])
        assert told == {"killed": signal.SIGKILL}, (point, told)
        restarts = ("recover", "promote") if SOAK else (("recover", "promote")[point // step % 2],)
        for restart in restarts:
            again = tmp_path / f"{restart}-{point}"
            shutil.copytree(crashed, again)
            if restart == "recover":
                crew("recover", folder=str(again))
            else:
                crew("promote", folder=str(again), version=3)  # which changes nothing: it is the worst
            champion = crew("look", folder=str(again))
            assert champion in (old, new), (point, restart, champion)
            ends[champion] += 1
            shutil.rmtree(again)
        shutil.rmtree(crashed)
    tell(
        f"crashes: {act}: killed at {len(range(0, calls, step))} of {calls} points; after the restart the old "
        f"champion {ends[old]} times, the new one {ends[new]} times, whole each time"
    )
