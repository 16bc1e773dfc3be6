"""The main flow: images in, a promoted generator out.

Prefect decides when, in what order and how often to try again. What is a pure function of files
runs through DVC, one stage at a time, so that nothing that is up to date runs twice. This file is
yours: every workspace holds its own copy.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from ganops import bootstrap
from ganops.bootstrap import App, ParentRun, Promotion, Registration, RunSummary
from ganops.errors import TrainingFailed, VendorError

PURE_STAGES = ("validate", "prepare", "reference")
CANDIDATE_STAGES = ("train", "evaluate")


def passing_fault(task: Any, run: Any, state: Any) -> bool:  # noqa: ARG001
    """A retry helps when a process was killed or a server was busy, never when data or use is at fault."""
    return isinstance(state.result(raise_on_failure=False), VendorError)


def run_name() -> str:
    """Which workspace, and when: what a person looks for in a list of runs."""
    workspace = Path(str(flow_run.parameters["workspace"])).resolve().name
    return f"{workspace} {datetime.now(UTC):%Y-%m-%d %H:%M}"


@flow(name="retrain", flow_run_name=run_name, task_runner=ThreadPoolTaskRunner(max_workers=64))
def retrain(
    workspace: str = ".", when: Literal["changed", "always"] = "changed", seed: int | None = None
) -> dict[str, Any]:
    """Validate, prepare, train every candidate, evaluate, register the best, promote it if it is better.

    when: `changed` trains only what new data or configuration makes stale; `always` takes a fresh seed.
    """
    with (
        bootstrap.running(Path(workspace), when, seed) as app,
        app.parent_run(str(flow_run.name), str(flow_run.id)) as parent,
    ):
        stale = app.pipeline.changed()
        get_run_logger().info("Stale: %s", ", ".join(sorted(stale)) or "nothing, so nothing is retrained")
        failures = run_stages(app, parent) if stale else {}
        registration = register.with_options(retries=app.retries)(app)
        promotion = promote(app, registration)
        summary = report(app, bool(stale), registration, promotion, failures)
        publish(summary)
        return summary.to_json()


def run_stages(app: App, parent: ParentRun) -> dict[str, str]:
    """The stages of dvc.yaml in order, candidates side by side; returns which candidates failed, and why."""
    for stage in PURE_STAGES:
        run_stage.with_options(task_run_name=stage, retries=app.retries)(app, stage)
    ends = {}
    for name in app.candidates:
        trained = train.with_options(task_run_name=f"train {name}", retries=app.retries).submit(app, name, parent)
        evaluating = evaluate.with_options(task_run_name=f"evaluate {name}", retries=app.retries)
        ends[name] = (trained, evaluating.submit(app, name, wait_for=[trained]))
    failures: dict[str, str] = {}
    for name, (trained, evaluated) in ends.items():
        try:
            trained.result()
            evaluated.result()
        except TrainingFailed as error:
            failures[name] = str(error)
    if len(failures) == len(ends):
        raise TrainingFailed("Every candidate failed. " + " ".join(f"{name}: {why}" for name, why in failures.items()))
    return failures


@task(cache_policy=NO_CACHE, retry_condition_fn=passing_fault, retry_delay_seconds=2)
def run_stage(app: App, stage: str) -> bool:
    """Run one stage through DVC; returns whether it ran or was up to date."""
    return app.run_stage(stage, get_run_logger().info)


@task(cache_policy=NO_CACHE, retry_condition_fn=passing_fault, retry_delay_seconds=2)
def train(app: App, candidate: str, parent: ParentRun) -> bool:
    """Train one candidate, as soon as one of `run.parallel` places is free, recording it in MLflow while it trains."""
    with app.slots:
        return app.train(candidate, parent, get_run_logger().info)


@task(cache_policy=NO_CACHE, retry_condition_fn=passing_fault, retry_delay_seconds=2)
def evaluate(app: App, candidate: str) -> bool:
    """Measure one candidate on the select split."""
    with app.slots:
        return app.evaluate(candidate, get_run_logger().info)


@task(cache_policy=NO_CACHE, retry_condition_fn=passing_fault, retry_delay_seconds=2)
def register(app: App) -> Registration:
    """The best candidate becomes a model version, alias `challenger`, unless it is one already."""
    registration = app.register()
    get_run_logger().info(registration.sentence)
    return registration


@task(cache_policy=NO_CACHE)  # never retried: deciding is done once
def promote(app: App, registration: Registration) -> Promotion:
    """Challenger and champion are scored on the test split; the gate decides; a winner becomes champion."""
    promotion = app.promote(registration)
    get_run_logger().info(promotion.sentence)
    return promotion


@task(cache_policy=NO_CACHE)
def report(
    app: App, changed: bool, registration: Registration, promotion: Promotion, failures: dict[str, str]
) -> RunSummary:
    """One page to look at, and the run's record committed to git."""
    return app.report(changed, registration, promotion, failures)


def publish(summary: RunSummary) -> None:
    """What a person sees in Prefect's pages."""
    create_table_artifact(key="candidates", table=summary.table(), description="Candidates, best first")
    create_markdown_artifact(key="decision", markdown=summary.markdown(), description=summary.sentence)
    for name, path in summary.grids.items():
        create_link_artifact(
            key=f"samples-{name.lower().replace('_', '-')}", link=path.as_uri(), description=f"Samples of {name}"
        )


if __name__ == "__main__":
    retrain()
