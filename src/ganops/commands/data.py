"""The verbs `data add` and `data show`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ganops import bootstrap
from ganops.commands.telling import bar, counted, writing
from ganops.errors import WorkspaceError
from ganops.outputs import require_place
from ganops.reports.terminal import print_json, say
from ganops.workspace import exclusive


def add(start: Path, source: str, json: bool, quiet: bool = False) -> None:
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
    with exclusive(app.layout, "ganops data add"), bar(f"add {Path(source).name}") as progress:
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
            say(f"  {what}: " + counted(counts))
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


def show(start: Path, output: Path | None, json: bool) -> None:
    from ganops.data.show import choose, summarise
    from ganops.reports.grid import SheetRow, write_contact_sheet

    if output is not None:
        require_place(output)
    layout = bootstrap.open_app(start).layout
    summary = summarise(layout.raw)
    sheet = output or layout.reports / "contact-sheet.png"
    rows = [SheetRow(sample.label or "", sample.images_u8) for sample in choose(layout.raw)]
    with writing(sheet):
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
            say(f"  {what}: " + counted(counts))
    say(f"  mean brightness {summary.mean_brightness:.1f}, mean contrast {summary.mean_contrast:.1f} (grey levels)")
    say(f"  contact sheet: {sheet}")
