"""MLflow tracking: the record of what was trained, from what and how well."""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

from ganops.adapters.mlflow_store import MlflowStore
from ganops.errors import TrackingError
from ganops.ports import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

SNAPSHOT_TAG = "ganops.snapshot_sha256"
_ONE_AT_A_TIME = threading.Lock()
"""MLflow looks for a data version and then inserts it, and fails where two candidates do so at once."""
_DIGEST_LENGTH = 36  # of MLflow's column; the whole sha256 is in the run's tags


@final
@dataclass(frozen=True)
class MlflowTracker:
    """Implements `ports.Tracker`."""

    store: MlflowStore

    def start(self, name: str, parent: str | None, parameters: Mapping[str, object], tags: Mapping[str, str]) -> str:
        from mlflow.entities import Param, RunTag

        nesting = {"mlflow.parentRunId": parent} if parent else {}
        with self.store.translated(TrackingError, f"starting the run '{name}'"):
            run = self._client.create_run(
                self.store.experiment_id(self._client), tags={**tags, **nesting, "mlflow.runName": name}, run_name=name
            )
            self._client.log_batch(
                run.info.run_id,
                params=[Param(key, str(value)[:6000]) for key, value in parameters.items()],
                tags=[RunTag("ganops", "true")],
            )
        return str(run.info.run_id)

    def metrics(self, run: str, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, value in values.items() if math.isfinite(value)]
        with self.store.translated(TrackingError, "recording metrics"):
            self._client.log_batch(run, metrics=metrics)

    def dataset(self, run: str, name: str, digest: str, source: str) -> None:
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.data.sources import LocalArtifactDatasetSource
        from mlflow.entities import DatasetInput, InputTag

        data = MetaDataset(LocalArtifactDatasetSource(source), name=name, digest=digest[:_DIGEST_LENGTH])
        with _ONE_AT_A_TIME, self.store.translated(TrackingError, "recording the data version"):
            self._client.log_inputs(
                run, datasets=[DatasetInput(data._to_mlflow_entity(), [InputTag("mlflow.data.context", "training")])]
            )

    def artifacts(self, run: str, paths: Sequence[Path], folder: str) -> None:
        with self.store.translated(TrackingError, "keeping files"):
            for path in paths:
                if path.is_dir():
                    self._client.log_artifacts(run, str(path), folder)
                elif path.is_file():
                    self._client.log_artifact(run, str(path), folder or None)

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        with self.store.translated(TrackingError, "tagging a run"):
            self._client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])

    def end(self, run: str, succeeded: bool) -> None:
        with self.store.translated(TrackingError, "ending a run"):
            self._client.set_terminated(run, "FINISHED" if succeeded else "FAILED")

    def find(self, snapshot_sha256: str) -> str | None:
        with self.store.translated(TrackingError, "looking for a run"):
            runs = self._client.search_runs(
                [self.store.experiment_id(self._client)],
                filter_string=f"tags.`{SNAPSHOT_TAG}` = '{snapshot_sha256}'",
                max_results=1,
            )
        return str(runs[0].info.run_id) if runs else None

    def kept(self, run: str, path: str) -> bytes | None:
        with self.store.translated(TrackingError, "reading a file of a run"), tempfile.TemporaryDirectory() as folder:
            parent = path.rpartition("/")[0]
            if path not in {item.path for item in self._client.list_artifacts(run, parent or None)}:
                return None
            return Path(self._client.download_artifacts(run, path, folder)).read_bytes()

    def read(self, run: str, figures: Collection[str]) -> RunRecord:
        with self.store.translated(TrackingError, "reading a run"):
            found = self._client.get_run(run)
            history = {name: self._client.get_metric_history(run, name) for name in figures}
        tags = dict(found.data.tags)
        return RunRecord(
            tags=tags,
            parent=tags.get("mlflow.parentRunId"),
            latest={name: float(value) for name, value in found.data.metrics.items() if name in figures},
            history={name: tuple(float(item.value) for item in items) for name, items in history.items() if items},
        )

    @cached_property
    def _client(self) -> MlflowClient:
        return self.store.client()
