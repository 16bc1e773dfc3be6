"""A candidate's MLflow run, written live while its stage trains; the stage itself knows nobody.

The run begins with the first line of `stats.jsonl`; a candidate that DVC skips gets none, unless it has none.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ganops.adapters.mlflow_tracker import SNAPSHOT_TAG
from ganops.adapters.parent_run import ParentRun
from ganops.adapters.stats_follower import StatsFollower
from ganops.errors import TrackingError
from ganops.files import read_json
from ganops.models.families import family_spec
from ganops.models.snapshot import load_snapshot
from ganops.ports import Tracker
from ganops.workspace import Workspace

OnLine = Callable[[str], None]
OnStats = Callable[[Mapping[str, Any]], None]


@final
@dataclass(frozen=True)
class TrainingRecord:
    """Trains one candidate through the pipeline and records it."""

    workspace: Workspace
    tracker: Tracker
    data_version: str

    def train(
        self, candidate: str, run_stage: Callable[[OnLine], bool], parent: ParentRun, on_line: OnLine, on_stats: OnStats
    ) -> bool:
        """Run the stage while following its figures; returns whether it trained.

        A record that fails (a busy server) is of a training that succeeded: tried again, the stage is skipped, and
        what it left is recorded then.
        """
        run: list[str] = []

        def record(stats: Mapping[str, Any]) -> None:
            if not run:
                run.append(self._begin(candidate, parent))
            self._figures(run[0], stats)
            on_stats(stats)

        try:
            with StatsFollower(self._stats(candidate), record) as follower:

                def watch(line: str) -> None:
                    if line.startswith(f"Running stage 'train@{candidate}'"):
                        follower.begin()
                    on_line(line)

                trained = run_stage(watch)
            for begun in run:
                self._complete(candidate, begun)
        except BaseException:
            for begun in run:
                with contextlib.suppress(TrackingError):  # what failed first is what is told
                    self.tracker.end(begun, succeeded=False)
            raise
        if not run:
            self.known_run(candidate, parent)
        return trained

    def known_run(self, candidate: str, parent: ParentRun | None = None) -> str:
        """The run that the candidate's snapshot came of; one is begun for a snapshot that has none."""
        snapshot = load_snapshot(self.workspace.layout.snapshot(candidate))
        found = self.tracker.find(snapshot.sha256)
        if found is None:
            found = self._begin(candidate, parent)
            for line in self._stats(candidate).read_text(encoding="utf-8").splitlines():
                self._figures(found, json.loads(line))
            self._complete(candidate, found)
        return found

    def _stats(self, candidate: str) -> Path:
        return self.workspace.layout.train_dir(candidate) / "stats.jsonl"

    def _figures(self, run: str, stats: Mapping[str, Any]) -> None:
        figures = {key: float(value) for key, value in stats.items() if isinstance(value, int | float)}
        self.tracker.metrics(run, figures, int(stats["images_seen"]))

    def _begin(self, candidate: str, parent: ParentRun | None) -> str:
        config = self.workspace.config
        chosen = config.candidate(candidate)
        dataset = read_json(self.workspace.layout.prepared / "dataset.json")
        spec = family_spec(chosen.family, tuple(dataset["image_shape"]), chosen.width, chosen.z_dim)
        parameters = {
            "candidate": candidate,
            "seed": config.seed,
            **chosen.model_dump(mode="json"),
            "width": spec.width,
            "z_dim": spec.z_dim,
            **{f"train.{key}": value for key, value in config.train.model_dump(mode="json").items()},
        }
        digest = str(dataset["sha256"]["train"])
        tags = {"ganops.candidate": candidate, "ganops.data.dvc_md5": self.data_version, "ganops.data.sha256": digest}
        run = self.tracker.start(candidate, parent.begun() if parent else None, parameters, tags)
        self.tracker.dataset(run, "train", digest, f"data/raw.dvc#{self.data_version}")
        return run

    def _complete(self, candidate: str, run: str) -> None:
        layout = self.workspace.layout
        snapshot = load_snapshot(layout.snapshot(candidate))
        train = layout.train_dir(candidate)
        self.tracker.artifacts(run, [train / "samples"], "samples")
        self.tracker.artifacts(run, [train / "stats.jsonl", layout.params, layout.root / "dvc.lock"], "")
        self.tracker.tag(run, {SNAPSHOT_TAG: snapshot.sha256})  # by which it is known: when all is there
        self.tracker.end(run, succeeded=True)
