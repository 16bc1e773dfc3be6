"""The verbs of the flow: `run` and `schedule`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganops import bootstrap
from ganops.bootstrap import When
from ganops.layout import Layout
from ganops.reports.summary import RunSummary
from ganops.reports.terminal import Steps, errors_console, print_json, print_summary, results_console, say


def run(start: Path, when: When, seed: int | None, json: bool, cd: Path | None = None) -> None:
    app = bootstrap.open_app(start)
    layout, steps = app.layout, Steps(errors_console())
    with steps.showing():
        outcome = bootstrap.run_flow(layout, when, seed, steps.observe)
    if json:
        print_json(outcome)
        return
    print_summary(results_console(), RunSummary.from_json(outcome), _where_to_look(layout, outcome, cd))
    if not app.keys.private.exists():
        say("Versions made here are NOT SIGNED: `ganops keys init` makes a key for those to come.")


def _where_to_look(layout: Layout, outcome: Mapping[str, Any], cd: Path | None) -> dict[str, str]:
    enter = f"cd {cd} && " if cd else ""
    looks = {"report": outcome["report"]}
    looks |= {f"grid {name}": path for name, path in outcome["grids"].items()}
    if "MLFLOW_TRACKING_URI" not in os.environ:
        looks["MLflow"] = f"{enter}mlflow server --backend-store-uri sqlite:///.ganops/mlflow/mlflow.db"
    if "PREFECT_HOME" in os.environ and os.environ["PREFECT_HOME"].startswith(str(layout.root)):
        looks["Prefect"] = f"{enter}PREFECT_HOME=.ganops/prefect prefect server start"
    looks["more images"] = f"{enter}ganops sample --stage Production -n 64 --seed 0 -o grid.png"
    return looks


def schedule(start: Path, cron: str, when: When) -> None:
    layout = bootstrap.open_app(start).layout
    due = bootstrap.check_schedule(layout, cron)
    say(
        f"Serving the flow of {layout.root} at '{cron}' (UTC), when {when}. Next run: {due:%Y-%m-%d %H:%M} UTC. Stop "
        "with Ctrl-C."
    )
    bootstrap.serve_flow(layout, cron, when)
