"""What each verb of the command line does: asks `bootstrap` for what it needs, prints what comes back."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from ganops import bootstrap
from ganops.bootstrap import App, When
from ganops.errors import RunStopped, Unhealthy, UnknownName, UserError, WorkspaceError
from ganops.files import cache_folder
from ganops.layout import Layout
from ganops.outputs import require_place
from ganops.plain_text import named, steering
from ganops.ports import ModelVersion
from ganops.process import die_with_parent
from ganops.progress import Progress
from ganops.provenance.journal import Entry
from ganops.reports.findings import Finding
from ganops.reports.summary import RunSummary
from ganops.reports.terminal import (
    Steps,
    errors_console,
    print_checks,
    print_json,
    print_rows,
    print_summary,
    results_console,
    say,
)
from ganops.workspace import Workspace, edit_params, exclusive, find, load, require_writable, shared

DEMO_PARAMS: Mapping[str, Any] = {
    "train.evaluate_every_kimg": 40,
    "candidates.dcgan.kimg": 400,
    "candidates.dcgan.generator_lr": 2e-4,
    "candidates.dcgan.discriminator_lr": 2e-4,
    "candidates.lite.kimg": 240,
    "candidates.lite.gamma": 0.3,
    "candidates.lite.generator_lr": 1e-3,
    "candidates.lite.width": 32,
    "candidates.lite.ema_half_life_kimg": 8,
    "candidates.lite.burn_in.kimg": 0,
}
"""What the demo changes in a new workspace's params.yaml: digits are small, and so is the budget."""

DEFAULT_SHAPE = (1, 28, 28)
"""(C, H, W) that `models` counts at where nothing says otherwise."""


def init(folder: Path) -> None:
    layout = bootstrap.create_workspace(folder)
    say(
        f"Made a workspace in {layout.root}. Next: `cd {folder}`, `ganops data add SOURCE`, `ganops run`. "
        "What can be changed is in params.yaml."
    )


def demo(folder: Path, json: bool) -> None:
    layout = Layout(folder.resolve())
    if not layout.params.exists():
        layout = bootstrap.create_workspace(folder)
        edit_params(layout, DEMO_PARAMS)
    data_add(layout.root, "digits", json=False, quiet=json)
    run(layout.root, "changed", None, json, cd=folder)


# ---------------------------------------------------------------- data


def data_add(start: Path, source: str, json: bool, quiet: bool = False) -> None:
    from ganops.data import raw_store
    from ganops.data.sources import open_source

    app = bootstrap.open_app(start)
    opened = open_source(source)
    app.pipeline.require_usable()
    pointer = app.layout.raw.with_suffix(".dvc")
    if pointer.exists() and not any(app.layout.raw.glob("*.parquet")):
        raise WorkspaceError(
            f"{pointer} names images, but {app.layout.raw} holds none: adding now would replace them. "
            "Run `dvc checkout data/raw` (or `dvc pull`) first."
        )
    with exclusive(app.layout, "ganops data add"), _bar(f"add {Path(source).name}") as progress:
        report = raw_store.add(app.layout, opened, progress)
        app.pipeline.add(app.layout.raw)
        if app.workspace.config.git.commit:
            app.pipeline.commit(f"Add {report.taken} images from {report.source}")
    if json:
        print_json(dataclasses.asdict(report))
    elif not quiet:
        _print_addition(report)


def _print_addition(report: Any) -> None:
    say(
        f"Took {report.taken} images from {report.source}; {report.duplicates} were there already; "
        f"{report.refused_count} refused."
    )
    for what, counts in {
        "sizes (width x height)": report.sizes,
        "modes": report.modes,
        "labels": report.labels,
        "splits": report.splits,
    }.items():
        if counts:
            say(f"  {what}: " + _counted(counts))
    if len(report.sizes) > 1:
        say("  The sizes differ: set data.image_size in params.yaml, as [height, width].")
    if report.taken and not report.labels:
        say(
            "  None of these has a label: generators will be judged by an extractor that learns without (pretext). If "
            "there are classes, put the images into a subfolder for each, or a label column into parquet, and add them "
            "to a new workspace (`ganops init`): it can then be seen whether all of them are made."
        )
    for refusal in report.refused[:10]:
        say(f"  refused {refusal.path}: {refusal.reason}")
    if report.refused_count > 10:
        say(f"  … and {report.refused_count - 10} more")


def data_show(start: Path, output: Path | None, json: bool) -> None:
    from ganops.data.show import choose, summarise
    from ganops.reports.grid import SheetRow, write_contact_sheet

    if output is not None:
        require_place(output)
    layout = bootstrap.open_app(start).layout
    summary = summarise(layout.raw)
    sheet = output or layout.reports / "contact-sheet.png"
    rows = [SheetRow(sample.label or "", sample.images_u8) for sample in choose(layout.raw)]
    with _writing(sheet):
        write_contact_sheet(sheet, rows)
    if json:
        print_json({**dataclasses.asdict(summary), "contact_sheet": str(sheet)})
        return
    say(f"{summary.images} images, {summary.stored_bytes / 1e6:.1f} MB in {summary.shards} shards")
    labels = {**summary.labels, **({"(none)": summary.unlabelled} if summary.unlabelled else {})}
    tables = {
        "sources": summary.sources,
        "sizes (width x height)": summary.sizes,
        "modes": summary.modes,
        "labels": labels,
        "splits": summary.splits,
    }
    for what, counts in tables.items():
        if counts:
            say(f"  {what}: " + _counted(counts))
    say(f"  mean brightness {summary.mean_brightness:.1f}, mean contrast {summary.mean_contrast:.1f} (grey levels)")
    say(f"  contact sheet: {sheet}")


# ---------------------------------------------------------------- the stages of dvc.yaml


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
    say(f"prepare: {_counted(dataset.counts)}; {height}x{width} pixels, {channels} channel{'s' * (channels > 1)}")


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
    with nullcontext() if in_pipeline else shared(layout, f"ganops {step}"), _bar(step) as progress:
        yield workspace, progress


# ---------------------------------------------------------------- the families of networks


def models(start: Path, size: str | None, json: bool) -> None:
    from ganops.reports.families import family_rows, print_families

    image_shape = shape_to_show(start, size)
    rows = family_rows(image_shape)
    if all(row.refusal for row in rows):
        channels, height, width = image_shape
        raise UserError(
            f"No family can do {height}x{width}x{channels} (height, width, channels): {rows[0].refusal}. "
            "Choose another size with --size, or data.image_size and data.channels in params.yaml."
        )
    if json:
        print_json({"image_shape": list(image_shape), "families": [row.to_json() for row in rows]})
    else:
        print_families(results_console(), image_shape, rows)


def shape_to_show(start: Path, size: str | None) -> tuple[int, int, int]:
    """(C, H, W): the size that was given, else the workspace's, else one channel of 28x28."""
    return _workspace_shape(start) if size is None else _given_shape(size)


def _given_shape(size: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})(?:x([0-9]{1,2}))?", size)
    if match is None:
        raise UserError(f"'--size {size}' is no image size. Write HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, as 32x32x3.")
    return int(match[3] or 1), int(match[1]), int(match[2])


def _workspace_shape(start: Path) -> tuple[int, int, int]:
    """As params.yaml says; what it leaves open, as prepared."""
    from ganops.data import prepared

    try:
        layout = find(start)
    except WorkspaceError:
        return DEFAULT_SHAPE
    wanted = load(layout).config.data
    is_prepared = (layout.prepared / prepared.DATASET).exists()
    channels, height, width = prepared.load(layout.prepared).image_shape if is_prepared else DEFAULT_SHAPE
    height, width = wanted.image_size or (height, width)
    return wanted.channels or channels, height, width


# ---------------------------------------------------------------- speed


def bench_train(
    start: Path,
    kimg: float,
    seeds: int,
    families: Collection[str],
    turns: int,
    seconds: float,
    threads: int,
    json: bool,
) -> None:
    import torch

    from ganops.bench.ground import ground_at
    from ganops.bench.measure import MATCHES, Lesson, bench_training
    from ganops.reports.bench import print_bench

    timed = [match.candidate.family for match in MATCHES]
    if unknown := [family for family in families if family not in timed]:
        raise UnknownName(f"'{unknown[0]}' is not among the families that are timed: {', '.join(timed)}.")
    torch.set_num_threads(threads)
    steps = Steps(errors_console())

    def judge(done: int, total: int, note: str) -> None:
        steps.observe("judge", done, total, f"{note}: a classifier, which scores the samples")

    with steps.showing():
        ground = ground_at(start, judge)
        lesson = Lesson(kimg, seeds, ground.score) if kimg > 0 else None
        rows = bench_training(ground.images_u8, turns, seconds, lesson, families, partial(steps.observe, "bench"))
    found = [row.to_json() for row in rows]
    hardware = f"{threads} CPU threads, torch {torch.__version__}"
    if json:
        print_json({"data": ground.name, "hardware": hardware, "rows": found})
    else:
        print_bench(results_console(), ground.name, hardware, found)


def bench_evaluate(parts: Collection[str], turns: int, weights: Path | None, threads: int, json: bool) -> None:
    import torch

    from ganops.bench.evaluate import PARTS, bench_evaluation
    from ganops.reports.bench_evaluate import print_evaluation_bench

    if unknown := [part for part in parts if part not in PARTS]:
        raise UnknownName(f"'{unknown[0]}' is not among the parts that are timed: {', '.join(PARTS)}.")
    torch.set_num_threads(threads)
    steps = Steps(errors_console())
    with steps.showing():
        rows = bench_evaluation(turns, weights, parts, partial(steps.observe, "bench"))
    found = [row.to_json() for row in rows]
    hardware = f"{threads} CPU threads, torch {torch.__version__}"
    if json:
        print_json({"hardware": hardware, "rows": found})
    else:
        print_evaluation_bench(results_console(), hardware, found)


# ---------------------------------------------------------------- scoring without a workspace


def score(start: Path, plot: Path | None, keep: bool, json: bool, **asked: Any) -> None:
    """asked: the fields of `stages.score_request.ScoreRequest`."""
    from ganops.reports.score import print_score
    from ganops.stages.score import score as measure
    from ganops.stages.score_cache import Cache
    from ganops.stages.score_request import ScoreRequest

    request, steps = ScoreRequest(**asked), Steps(errors_console())
    if plot is not None:
        require_place(plot, "--plot", inputs=filter(None, (request.a, request.b, request.train, request.heldout)))
    remarks: list[str] = []
    cache = Cache(cache_folder() if keep else None, say=remarks.append)
    with steps.showing():
        found = measure(request, partial(bootstrap.open_registry, start), _own_extractor(start), cache, steps.observe)
    for remark in dict.fromkeys(remarks):  # the cache says so for each thing that it keeps
        print(remark, file=sys.stderr)
    facts = {**found.to_json(), "plot": None if plot is None else str(plot.resolve())}
    if plot is not None:
        from ganops.reports.score_picture import write_score_picture
        from ganops.stages.score_neighbours import neighbour_groups

        with _writing(plot, "--plot"):
            write_score_picture(plot, facts, neighbour_groups(found))
    if json:
        print_json(facts)
        return
    print_score(results_console(), facts)
    if plot is not None:
        say(f"picture:  {plot}")


def _own_extractor(start: Path) -> Path | None:
    """Where the workspace's extractor lies, if there is a workspace here."""
    try:
        return find(start).reference / "extractor"
    except WorkspaceError:
        return None


# ---------------------------------------------------------------- the flow


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


# ---------------------------------------------------------------- what becomes of versions


def promote(start: Path, version: int | None, dry_run: bool, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        number = version if version is not None else _challenger(app)
        promotion = watched.decide(number, dry_run)
    if not dry_run and promotion.outcome != "unchanged":
        app.keep(f"Promote: {promotion.outcome.replace('-', ' ')}, version {number}")
    decision, champion = promotion.decision, promotion.champion
    checks = [check.to_json() for check in decision.checks] if decision else []
    if json:
        facts = {"dry_run": dry_run, "version": number, "champion": champion.version if champion else None}
        attempt = decision.attempt if decision else None
        print_json(
            {"decision": promotion.outcome, **facts, "attempt": attempt, "reason": promotion.sentence, "checks": checks}
        )
        return
    say(("Dry run, nothing was changed. " if dry_run else "") + promotion.sentence)
    if checks:
        print_checks(results_console(), checks)


def gate_calibrate(
    start: Path,
    repeats: int,
    seed: int,
    num_images: int | None,
    distance: float | None,
    whole: int,
    workers: int,
    plot: Path | None,
    json: bool,
) -> None:
    from ganops.reports.calibration import print_calibration
    from ganops.reports.calibration_picture import write_calibration_picture
    from ganops.stages.calibrate import CalibrationPlan, calibrate

    if plot is not None:
        require_place(plot, "--plot")
    plan = CalibrationPlan(repeats, seed, num_images, distance, whole, workers)
    workspace = load(find(start))
    try:
        with _bar("calibrate the gate") as progress:
            found = calibrate(workspace, plan, progress).to_json()
        if plot is not None:
            with _writing(plot, "--plot"):
                write_calibration_picture(plot, found)
    except KeyboardInterrupt:
        raise RunStopped(
            "Nothing of this calibration is kept, since its figures are of the whole simulation: the same command "
            "begins anew, and a lower --repeats takes less time."
        ) from None
    if json:
        print_json({**found, "plot": str(plot.resolve()) if plot is not None else None})
    else:
        print_calibration(results_console(), found)


def _challenger(app: App) -> int:
    found = [version.version for version in app.registry.versions() if "challenger" in version.aliases]
    if not found:
        raise UserError(
            f"The model {app.registry.name} has no challenger: the last one was promoted or rejected, or there was "
            "none yet. Name a version (`ganops status` shows them), or make one with `ganops run --when always`."
        )
    return found[0]


def approve(start: Path, version: int, by: str, reason: str, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        entry = watched.approve(version, _given("--by", by), _given("--reason", reason))
    app.keep(f"Approve version {version}")
    _print_entry(entry, json, f"Promoted. Version {version} is the champion, approved by {by}.")


def reject(start: Path, version: int, by: str, reason: str, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        entry = watched.reject(version, _given("--by", by), _given("--reason", reason))
    app.keep(f"Reject version {version}")
    _print_entry(entry, json, f"Rejected version {version}. The champion stays.")


def rollback(start: Path, to: int | None, reason: str, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        entry = watched.rollback(to, _given("--reason", reason))
    app.keep(f"Roll back to version {entry.version}")
    came = f" Version {entry.from_version} is archived." if entry.from_version is not None else ""
    _print_entry(entry, json, f"Rolled back. Version {entry.version} is the champion again.{came}")


def recover(start: Path, json: bool) -> None:
    app = _ready(start)
    with _observed(app) as watched:
        done = watched.recover()
    if done is not None:
        app.keep("Recover")
    if json:
        print_json({"recovered": done})
    else:
        say(done or "Nothing to recover: no change of champion was interrupted.")


def doctor(start: Path, repair: bool, adopt: bool, json: bool) -> None:
    app = _ready(start, git=repair or adopt)
    with _observed(app) as watched:
        findings = watched.doctor(repair, adopt)
    if any(finding.repaired for finding in findings):
        app.keep("Repair the registry")
    healthy = not any(finding.open for finding in findings)
    if json:
        print_json({"healthy": healthy, "findings": [finding.to_json() for finding in findings]})
    else:
        rows = [finding.row() for finding in findings]
        print_rows(
            results_console(), rows, "Doctor", "Registry and journal agree, and nothing is open that should not be."
        )
    if not healthy:
        raise Unhealthy(_diagnosis(findings, repair))


def _diagnosis(findings: Sequence[Finding], repair: bool) -> str:
    """What is left to do, in one sentence."""
    if any(finding.open and finding.severity == "fault" for finding in findings):
        return "Somebody has to act on what is marked fault."
    advice = "" if repair else " `ganops doctor --repair` puts right what is marked drift."
    return f"Registry and journal do not agree.{advice}"


def _ready(start: Path, git: bool = True) -> App:
    """The workspace; one whose history could not be kept is refused before anything is changed."""
    app = bootstrap.open_app(start)
    if git and app.workspace.config.git.commit:
        app.pipeline.require_usable()
    return app


@contextmanager
def _observed(app: App) -> Iterator[App]:
    steps = Steps(errors_console())
    with steps.showing():
        yield dataclasses.replace(app, observe=steps.observe)


def _given(option: str, text: str) -> str:
    """What a person has said, on one line, in plain text and not nothing: the journal keeps it for ever."""
    said = " ".join(text.split())
    if odd := steering(said):
        raise UserError(
            f"{option} holds the character {named(odd[0])}, which would steer a terminal, turn text round or hide in "
            "it: the journal keeps plain text. Leave it out. Nothing was changed."
        )
    if not 0 < len(said) <= 2000:
        raise UserError(f"{option} needs {'a text' if not said else 'at most 2,000 characters'}: the journal keeps it.")
    return said


def _print_entry(entry: Entry, json: bool, sentence: str) -> None:
    if json:
        print_json(_event(entry))
    else:
        say(sentence)


def _event(entry: Entry) -> dict[str, Any]:
    return {
        "time": entry.time,
        "actor": entry.details.get("by") or entry.actor or None,
        "model": entry.details.get("model"),
        "event": entry.event,
        "version": entry.version,
        "from": entry.from_version,
        "to": entry.to_version,
        "reason": entry.reason,
        "evidence": entry.evidence,
    }


# ---------------------------------------------------------------- what there is


def status(start: Path, json: bool) -> None:
    app = bootstrap.open_app(start)
    versions = [_version_row(app, version) for version in app.versions()]
    stale = sorted(app.pipeline.changed())
    if json:
        print_json({"model": app.workspace.config.model.name, "versions": versions, "stale": stale})
        return
    rows = [
        {**row, "aliases": ", ".join(row["aliases"]), "fd": None if row["fd"] is None else f"{row['fd']:z.2f}"}
        for row in versions
    ]
    print_rows(
        results_console(),
        rows,
        f"Model {app.workspace.config.model.name}",
        "No version yet. `ganops run` makes the first.",
    )
    say("Stale: " + (", ".join(stale) if stale else "nothing, every stage is up to date"))


def _version_row(app: App, version: ModelVersion) -> dict[str, Any]:
    events = [entry.event for entry in app.journal.of(version.name) if entry.version == version.version]
    decisions = [event for event in events if event not in ("registered", "intended", "undone", "repaired")]
    fd = version.tags.get("ganops.fd")
    return {
        "version": version.version,
        "stage": version.stage,
        "aliases": list(version.aliases),
        "candidate": version.tags.get("ganops.candidate"),
        "fd": float(fd) if fd else None,
        "decision": decisions[-1] if decisions else None,
    }


def history(start: Path, all_models: bool, json: bool) -> None:
    app = bootstrap.open_app(start)
    model = app.workspace.config.model.name
    told = [entry for entry in app.journal.entries() if entry.event != "intended"]
    shown = [_event(entry) for entry in told if all_models or entry.details.get("model", model) == model]
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
        with _writing(output):
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


# ---------------------------------------------------------------- printing


@contextmanager
def _bar(step: str) -> Iterator[Progress]:
    """A bar for a person, lines that the flow understands inside the pipeline."""
    if "GANOPS_IN_PIPELINE" in os.environ:
        yield _report_line
        return
    steps = Steps(errors_console())
    with steps.showing():
        yield lambda done, total, note: steps.observe(step, done, total, note)


_last_line = 0.0


def _report_line(done: int, total: int, note: str) -> None:
    """`progress DONE TOTAL NOTE`, at most twice a second; a stage whose flow was killed ends at its next line."""
    global _last_line
    import time

    if (now := time.monotonic()) - _last_line >= 0.5 or done >= total > 0:
        _last_line = now
        print(f"progress {done} {total} {note}", flush=True)


@contextmanager
def _writing(path: Path, option: str = "-o") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}. Choose another file with {option}."
        ) from None


def _counted(counts: Mapping[Any, int]) -> str:
    shown = [f"{name} {number}" for name, number in list(counts.items())[:12]]
    return ", ".join(shown) + (f", … ({len(counts)} in all)" if len(counts) > 12 else "")
