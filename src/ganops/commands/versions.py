"""The verbs that show what there is: `status`, `history`, `sample`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganops import bootstrap
from ganops.bootstrap import App
from ganops.commands.telling import shown_event, writing
from ganops.errors import UnknownName
from ganops.outputs import require_place
from ganops.ports import ModelVersion
from ganops.reports.terminal import print_json, print_rows, results_console, say
from ganops.stages.outcomes import last_outcome, put_into_production


def status(start: Path, json: bool) -> None:
    app = bootstrap.open_app(start)
    versions = [_version_row(app, version) for version in app.versions()]
    stale = sorted(app.pipeline.changed())
    if json:
        print_json({"model": app.workspace.config.model.name, "versions": versions, "stale": stale})
        return
    rows = [_shown(row) for row in versions]
    print_rows(
        results_console(),
        rows,
        f"Model {app.workspace.config.model.name}",
        "No version yet. `ganops run` makes the first.",
    )
    say("Stale: " + (", ".join(stale) if stale else "nothing, every stage is up to date"))


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """For a table."""
    fd = None if row["fd"] is None else f"{row['fd']:z.2f}"
    shown = {**row, "aliases": ", ".join(row["aliases"]), "fd": fd}
    return {name.replace("_", " "): value for name, value in shown.items()}


def _version_row(app: App, version: ModelVersion) -> dict[str, Any]:
    entries = app.journal.of(version.name)
    decided = last_outcome(entries, version.version)
    put = put_into_production(entries, version.version) if "champion" in version.aliases else None
    fd = version.tags.get("ganops.fd")
    return {
        "version": version.version,
        "stage": version.stage,
        "aliases": list(version.aliases),
        "candidate": version.tags.get("ganops.candidate"),
        "fd": float(fd) if fd else None,
        "decision": decided[0] if decided else None,
        "in_production_since": put.time if put else None,
    }


def history(start: Path, all_models: bool, json: bool) -> None:
    app = bootstrap.open_app(start)
    model = app.workspace.config.model.name
    told = [entry for entry in app.journal.entries() if entry.event != "intended"]
    shown = [shown_event(entry) for entry in told if all_models or entry.details.get("model", model) == model]
    others = sorted({str(entry.details.get("model", model)) for entry in told} - {model})
    if json:
        print_json({"model": model, "events": shown, "other_models": others})
        return
    hidden = {"evidence"} if all_models else {"evidence", "model"}
    rows = [{name: value for name, value in event.items() if name not in hidden} for event in shown]
    title = "History of every model, oldest first" if all_models else f"History of the model {model}, oldest first"
    print_rows(results_console(), rows, title, f"Nothing has happened to the model {model} yet. `ganops run` begins.")
    if others and not all_models:
        say(
            f"The journal holds events of {', '.join(others)}, too (model.name was another one): "
            "`ganops history --all-models` shows them."
        )


def sample(
    start: Path,
    stage: str,
    version: int | None,
    count: int | None,
    seed: int,
    label: str | None,
    output: Path,
    json: bool,
) -> None:
    from ganops.stages.registered import registered_snapshot
    from ganops.stages.sample import write_sample

    require_place(output)
    app = bootstrap.open_app(start)
    chosen = _chosen(app, stage, version)
    with registered_snapshot(app.registry, chosen) as (_, snapshot):
        number = None if label is None else snapshot.label_of(label)
        with writing(output):
            count = write_sample(output, snapshot, seed, count, number)
    name = None if number is None else snapshot.classes[number]
    if json:
        facts = {"version": chosen.version, "stage": chosen.stage, "n": count, "seed": seed, "label": number}
        print_json({**facts, "class": name, "output": str(output.resolve())})
    else:
        what = f"{count} images" if name is None else f"{count} images of class {name}"
        say(f"Wrote {what} of version {chosen.version} ({chosen.stage}), seed {seed}, to {output}")


def _chosen(app: App, stage: str, version: int | None) -> ModelVersion:
    versions = app.registry.versions()
    if version is not None:
        found = [item for item in versions if item.version == version]
    else:
        found = [item for item in versions if item.stage.lower() == stage.lower()]
    if not found:
        what = f"version {version}" if version is not None else f"version in stage '{stage}'"
        there = ", ".join(f"{item.version} ({item.stage})" for item in versions) or "none"
        raise UnknownName(f"The model {app.registry.name} has no {what}. Versions there are: {there}.")
    return found[0]
