"""The workspace's own flow, under Prefect, in-process and on a schedule."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.testing.utilities import prefect_test_harness

from ganops import bootstrap, workspace
from ganops.data import raw_store
from ganops.data.sources import open_source
from ganops.errors import TrainingFailed, ValidationFailed, VendorError
from ganops.layout import Layout

pytestmark = pytest.mark.slow

TINY = {
    "candidates.dcgan.kimg": 1,
    "candidates.lite.kimg": 1,
    "train.evaluate_every_kimg": 1,
    "evaluate.num_images": 500,
    "gate.num_images": 500,
    "gate.first.max_fd": 1e6,
    "gate.guards.memorisation.enabled": False,
    "run.retries": 0,
}


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = bootstrap.create_workspace(tmp_path / "mine")
    workspace.edit_params(layout, TINY)
    raw_store.add(layout, open_source("digits"))
    bootstrap.open_app(layout.root).pipeline.add(layout.raw)
    return layout


def retrain(layout: Layout, **parameters: Any) -> dict[str, Any]:
    outcome: dict[str, Any] = bootstrap._load_flow(layout).retrain(workspace=str(layout.root), **parameters)
    return outcome


def test_a_candidate_that_diverges_does_not_stop_the_others(layout: Layout) -> None:
    workspace.edit_params(layout, {"candidates.lite.generator_lr": 1e30, "candidates.lite.discriminator_lr": 1e30})
    outcome = retrain(layout)
    rows = {row["name"]: row for row in outcome["candidates"]}
    assert rows["dcgan"]["fd"] > 0 and rows["lite"]["fd"] is None
    assert "no longer finite" in rows["lite"]["failure"]
    assert outcome["decision"] == "promoted" and outcome["version"] == 1


def test_when_all_diverge_the_flow_fails_and_nothing_is_registered(layout: Layout) -> None:
    for name in ("dcgan", "lite"):
        rates = {f"candidates.{name}.generator_lr": 1e30, f"candidates.{name}.discriminator_lr": 1e30}
        workspace.edit_params(layout, rates)
    with pytest.raises(TrainingFailed, match="Every candidate failed"):
        retrain(layout)
    assert bootstrap.open_app(layout.root).registry.versions() == ()


def test_a_failed_validation_ends_the_flow_as_itself(layout: Layout) -> None:
    workspace.edit_params(layout, {"validation.image_count.min": 5000})
    with pytest.raises(ValidationFailed, match="image_count"):
        retrain(layout)


def test_only_passing_faults_are_tried_again(layout: Layout) -> None:
    from prefect.states import Failed

    flow = bootstrap._load_flow(layout)
    assert flow.passing_fault(None, None, Failed(data=VendorError("killed")))
    assert not flow.passing_fault(None, None, Failed(data=TrainingFailed("diverged")))


def test_a_schedule_really_produces_a_run(layout: Layout) -> None:
    """With some versions of SQLAlchemy and fastapi flows run, but the scheduler dies on every tick."""
    retrain(layout)
    command = [str(Path(sys.executable).parent / "ganops"), "schedule", "--cron", "* * * * *"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    server = subprocess.Popen(command, cwd=layout.root, env=environment, start_new_session=True)
    try:
        state = _first_ended_run(layout)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)
    assert state == "COMPLETED", (layout.state / "prefect-server.log").read_text()[-3000:]


def _first_ended_run(layout: Layout) -> str:
    deadline = time.monotonic() + 480
    while time.monotonic() < deadline:
        time.sleep(2)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables = (process / "environ").read_bytes().split(b"\0")
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            home = f"PREFECT_HOME={layout.state / 'prefect'}".encode()
            address = next((item[16:].decode() for item in variables if item.startswith(b"PREFECT_API_URL=")), None)
            if home in variables and address and b"server" in command and (state := _ended(address)):
                return state
    raise AssertionError("no scheduled run ended within eight minutes")


def _ended(address: str) -> str | None:
    body = json.dumps({"flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}}).encode()
    request = urllib.request.Request(f"{address}/flow_runs/filter", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            runs = json.load(response)
    except OSError:
        return None
    return runs[0]["state"]["type"] if runs else None
