"""A workspace to promote in, made in seconds: real snapshots in a real MLflow, with figures stored instead of measured.

What the gate decides on is stored for every pair before anybody asks, as it is after a run that was killed between
measuring and deciding. Nothing here trains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ganops import workspace as workspaces
from ganops.adapters.mlflow_tracker import SNAPSHOT_TAG
from ganops.bootstrap import App
from ganops.evaluation import reference as references
from ganops.evaluation.comparison import Comparison, Contrast
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.protocol import Protocol
from ganops.files import digest_json, write_json
from ganops.layout import Layout
from ganops.models import ModelSpec, build_generator, save_snapshot
from ganops.ports import ModelVersion
from ganops.provenance import code
from ganops.stages.promote import Pair
from ganops.stages.standing import settle, standing_of

REFERENCE = references.reference_hash("e" * 64, "1" * 64)
_GUARDS = ("kernel_distance", "coverage", "recall", "class_coverage", "memorisation")


def make_workspace(folder: Path, **changes: object) -> App:
    """A workspace with a reference and no data; `changes` are dotted keys of params.yaml with __ for the dots."""
    layout = workspaces.create(folder)
    settings: dict[str, object] = {f"gate.guards.{name}.enabled": False for name in _GUARDS}
    settings["git.commit"] = False
    workspaces.edit_params(layout, settings | {key.replace("__", "."): value for key, value in changes.items()})
    _write_reference(layout)
    code.refresh(layout.code)
    return App(workspaces.load(layout))


def reopened(app: App, **changes: object) -> App:
    """The same workspace as another process would open it."""
    if changes:
        workspaces.edit_params(app.layout, {key.replace("__", "."): value for key, value in changes.items()})
    return App(workspaces.load(app.layout))


def add_versions(app: App, count: int) -> list[ModelVersion]:
    """So many versions of tiny generators, the last one the challenger; oldest first."""
    first = len(app.registry.versions())
    for seed in range(first, first + count):
        spec = ModelSpec("lite", (1, 8, 8), 4, 4)
        path = app.layout.state / "snapshots" / str(seed)
        saved = save_snapshot(path, build_generator(spec, seed), spec, {"seed": seed})
        run = app.tracker.start("lite", None, {"seed": seed}, {SNAPSHOT_TAG: saved.sha256})
        version = app.registry.register(path, saved.sha256, run, {"ganops.candidate": "lite", "ganops.fd": str(seed)})
        app.journal.append("registered", version.version, "made", {"model": version.name, "snapshot": saved.sha256})
        now = standing_of(app.registry.versions())
        settle(app.registry, replace(now, challenger=version.version))
    return sorted(app.registry.versions(), key=lambda version: version.version)


def store_comparisons(app: App, versions: Sequence[ModelVersion], distances: Sequence[float], error: float) -> None:
    """What would have been measured: `distances` are the Fréchet distances, `error` that of every improvement."""
    fd = dict(zip([version.version for version in versions], distances, strict=True))
    for challenger in versions:
        for champion in (None, *versions):
            pair = Pair(challenger, champion, REFERENCE)
            if champion != challenger and app.journal.comparison(pair.key) is None:
                ours = Measurement(fd[challenger.version], error)
                theirs = Measurement(fd[champion.version], error) if champion else None
                gain = Measurement(theirs.value - ours.value, error * math.sqrt(2)) if theirs else None
                contrast = Contrast(ours, theirs, gain)
                comparison = Comparison(
                    challenger.snapshot_sha256,
                    champion.snapshot_sha256 if champion else None,
                    _protocol(pair),
                    {"fd_star": contrast},
                )
                app.journal.store("comparisons", pair.key, comparison.to_json())


def champion_and_stages(app: App) -> tuple[int | None, dict[int, str]]:
    """The champion by its alias; stages by version. What a deployment reads."""
    versions = app.registry.versions()
    champion = next((version.version for version in versions if "champion" in version.aliases), None)
    return champion, {version.version: version.stage for version in versions}


def require_whole(app: App) -> int | None:
    """Aliases and stages agree, one Production at most, nothing announced is open; returns the champion."""
    versions = app.registry.versions()
    production = [version.version for version in versions if version.stage == "Production"]
    champion = next((version.version for version in versions if "champion" in version.aliases), None)
    assert production == ([] if champion is None else [champion]), (production, champion)
    for version in versions:
        wanted = (
            "Production" if "champion" in version.aliases else "Staging" if "challenger" in version.aliases else None
        )
        assert version.stage == (wanted or "Archived"), (version.version, version.stage, version.aliases)
    assert app.journal.open_intent(app.registry.name) is None
    assert app.doctor(repair=False, adopt=False) == []
    return champion


def _protocol(pair: Pair) -> Protocol:
    return Protocol(
        score="fd",
        extractor="classifier",
        extractor_sha256="e" * 64,
        preprocessing="none",
        split="test",
        reference_hash=pair.reference,
        num_images=1000,
        num_reference=4,
        seed=0,
        metric_version=references.METRIC_VERSION,
        libraries={},
    )


def _write_reference(layout: Layout) -> None:
    features = np.arange(8, dtype=np.float32).reshape(4, 2)
    for split in ("train", "select", "test"):
        folder = layout.reference / split
        folder.mkdir(parents=True)
        np.save(folder / "features.npy", features)
        np.save(folder / "classes.npy", np.zeros(4, np.int64))
        np.save(folder / "ids.npy", np.zeros((4, 32), np.uint8))
        np.save(folder / "pixels.npy", np.empty((4, 0), np.float32))
    held_out = {"count": 4, "hash": REFERENCE, "sha256": references.array_digests(folder)}  # of all splits alike
    write_json(
        layout.reference / references.REFERENCE,
        {
            "format": references.FORMAT,
            "splits": {"train": held_out, "select": {**held_out, "hash": digest_json("select")}, "test": held_out},
            "extractor": {"kind": "classifier", "sha256": "e" * 64, "dim": 2, "accuracy": 1.0},
            "classes": ["0"],
            "preprocessing": "none",
            "metric_version": references.METRIC_VERSION,
        },
    )
