"""The verbs of the stages that dvc.yaml calls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from ganops import bootstrap
from ganops.commands.telling import bar, counted
from ganops.process import die_with_parent
from ganops.progress import Progress
from ganops.reports.terminal import say
from ganops.workspace import Workspace, find, load, require_writable, shared


def validate(start: Path) -> None:
    from ganops.stages.validate import validate as stage

    with _stage(start, "validate") as (workspace, progress):
        report = stage(workspace.layout, workspace.config, bootstrap.validator(), progress)
    say(f"validate: {report.accepted} of {report.images} images accepted")
    for rule in report.warnings:
        say(f"validate: warning: {rule.rule}: {rule.observed}, expected {rule.expected}")


def prepare(start: Path) -> None:
    from ganops.stages.prepare import prepare as stage

    with _stage(start, "prepare") as (workspace, progress):
        dataset = stage(workspace.layout, workspace.config, progress)
    channels, height, width = dataset.image_shape
    say(f"prepare: {counted(dataset.counts)}; {height}x{width} pixels, {channels} channel{'s' * (channels > 1)}")


def reference(start: Path) -> None:
    from ganops.stages.reference import reference as stage

    with _stage(start, "reference") as (workspace, progress):
        report = stage(workspace.layout, workspace.config, progress)
    say(f"reference: {report.sentence}")


def train(start: Path, candidate: str) -> None:
    from ganops.provenance.code import code_digest
    from ganops.stages.train import train as stage

    with _stage(start, "train", candidate) as (workspace, progress):
        report = stage(workspace.layout, workspace.config, candidate, code_digest("train"), progress)
    distance = "not measured" if report.fd is None else f"{report.fd:z.2f}"
    say(f"train: {candidate}: best snapshot at {report.best_images_seen} images, Fréchet distance {distance}")
    for remark in report.remarks:
        say(f"train: {remark}")


def evaluate(start: Path, candidate: str) -> None:
    from ganops.stages.evaluate import evaluate as stage

    with _stage(start, "evaluate", candidate) as (workspace, progress):
        report = stage(workspace.layout, workspace.config, candidate, progress)
    fd = report.fd_star
    say(f"evaluate: {candidate}: {report.score_name} {fd.value:z.2f} (95 % {fd.low:z.2f} to {fd.high:z.2f})")


@contextmanager
def _stage(start: Path, name: str, candidate: str | None = None) -> Iterator[tuple[Workspace, Progress]]:
    """The workspace and how far it is, for one stage; one that is run by hand and a run keep each other out."""
    in_pipeline = "GANOPS_IN_PIPELINE" in os.environ
    if in_pipeline:
        die_with_parent()
    # without refreshing the code digests: a stage must not change what DVC has just looked at
    layout = find(start)
    require_writable(layout)
    workspace = load(layout)
    if candidate is not None:
        workspace.config.candidate(candidate)
    step = name if candidate is None else f"{name} {candidate}"
    with nullcontext() if in_pipeline else shared(layout, f"ganops {step}"), bar(step) as progress:
        yield workspace, progress
