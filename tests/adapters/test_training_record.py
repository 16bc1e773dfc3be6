from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganops import workspace
from ganops.adapters.mlflow_store import open_store
from ganops.adapters.mlflow_tracker import MlflowTracker
from ganops.adapters.parent_run import ParentRun
from ganops.adapters.training_record import OnLine, TrainingRecord
from ganops.errors import TrackingError
from ganops.files import write_json
from ganops.models import build_generator, family_spec, save_snapshot
from ganops.workspace import Workspace

LINES = [{"images_seen": 1000 * n, "kimg": float(n), "fd": 10.0 / n} for n in (1, 2, 3)]


class _Busy:
    """A tracker whose server is busy once, at the second line of figures."""

    def __init__(self, tracker: MlflowTracker) -> None:
        self._tracker, self._figures = tracker, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracker, name)

    def metrics(self, run: str, values: dict[str, float], step: int) -> None:
        self._figures += 1
        if self._figures == 2:
            raise TrackingError("The server is busy.")
        self._tracker.metrics(run, values, step)


@pytest.fixture
def mine(tmp_path: Path) -> Workspace:
    layout = workspace.create(tmp_path / "mine")
    write_json(layout.prepared / "dataset.json", {"image_shape": [1, 8, 8], "sha256": {"train": "e" * 64}})
    return workspace.load(layout)


def trains(mine: Workspace, ran: list[bool]) -> Any:
    """The stage: trains the first time, and is up to date from then on."""

    def run_stage(on_line: OnLine) -> bool:
        if ran:
            return False
        ran.append(True)
        on_line("Running stage 'train@lite':")
        spec = family_spec("lite", (1, 8, 8), 4, 4)
        save_snapshot(mine.layout.snapshot("lite"), build_generator(spec, 0), spec, {})
        lines = "".join(json.dumps(line) + "\n" for line in LINES)
        (mine.layout.train_dir("lite") / "stats.jsonl").write_text(lines)
        return True

    return run_stage


def test_a_training_whose_record_failed_is_recorded_when_it_is_tried_again(mine: Workspace) -> None:
    tracker = MlflowTracker(open_store(mine.layout, "generator", {}))
    record, ran = TrainingRecord(mine, _Busy(tracker), "d" * 32), []  # type: ignore[var-annotated]
    with ParentRun(tracker, "a run", {}) as parent:

        def train() -> bool:
            return record.train("lite", trains(mine, ran), parent, lambda line: None, lambda stats: None)

        with pytest.raises(TrackingError, match="busy"):
            train()
        assert train() is False  # as Prefect tries again: DVC skips the stage
        assert train() is False
    client = tracker.store.client()
    runs = client.search_runs([client.get_experiment_by_name("generator").experiment_id])
    statuses = {run.info.status for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert statuses == {"FINISHED"}
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.run]
    assert sorted(run.info.status for run in children) == ["FAILED", "FINISHED"] and len(runs) == 3
    (whole,) = [run for run in children if run.info.status == "FINISHED"]
    assert [point.value for point in client.get_metric_history(whole.info.run_id, "fd")] == [10.0, 5.0, 10.0 / 3]
    assert record.known_run("lite") == whole.info.run_id
