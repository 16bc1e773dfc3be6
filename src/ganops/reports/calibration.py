"""The tables of `ganops gate calibrate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ganops.reports.words import words


def print_calibration(console: Console, found: Mapping[str, Any]) -> None:
    """found: as `ganops gate calibrate --json` has it."""
    console.print(_false_promotions(found))
    console.print(_power(found))
    if found["whole"]:
        console.print(_whole(found["whole"]))
    console.print(verdict(found), markup=False, highlight=False, soft_wrap=True)


def rules_by_null(found: Mapping[str, Any]) -> list[tuple[str, dict[str, Mapping[str, Any]]]]:
    """For each null its name, and by rule what was found: the gate first."""
    rows = []
    for null in found["nulls"]:
        naive = {item["rule"]: item for item in found["naive"] if item["name"] == null["name"]}
        rows.append((str(null["name"]), {"the gate": null, **naive}))
    return rows


def setting(found: Mapping[str, Any]) -> str:
    """What was simulated, in a sentence."""
    return (
        f"{found['num_images']:,} generated against {found['num_reference']:,} real images of {found['dimensions']} "
        f"features; the champion's true Fréchet distance is {found['distance']:.3g} ({found['distance_from']}); "
        f"seed {found['seed']}."
    )


def verdict(found: Mapping[str, Any]) -> str:
    """Whether the level is held, and what the figures say and do not say."""
    worst = max(found["nulls"], key=lambda null: null["upper_95"])
    name, upper, limit = worst["name"], percent(worst["upper_95"]), percent(found["limit"])
    outcome = (
        f"The gate holds its level here: with 95 % confidence it promotes an equal generator in at most {upper} of "
        f"cases, at worst ({name}); the limit is {limit}."
        if found["holds"]
        else f"The gate is NOT shown to hold its level here: {name} may be promoted for nothing in up to {upper} of "
        f"cases, where {limit} is the limit. With fewer than 2,000 repeats the interval alone may be too wide."
    )
    return (
        f"{outcome} These are decisions by the Fréchet test alone: a guard can only veto, so that with guards there "
        "are as many false promotions, or fewer. All of it is about a checkpoint, not about the recipe it came of: "
        "training again from another seed moves the distance more than drawing other images does (docs/gate.md)."
    )


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _false_promotions(found: Mapping[str, Any]) -> Table:
    rows = rules_by_null(found)
    table = _table(
        f"False promotions among generators of equal true distance, {rows[0][1]['the gate']['repeats']:,} repeats each",
        f"{setting(found)} In brackets: one-sided 95 % upper limits. A test at level {found['level']:.3f}.",
        ("challenger against champion",),
        tuple(rows[0][1]),
    )
    for name, by_rule in rows:
        cells = (
            f"{percent(item['false_promotion_rate'])} (≤ {percent(item['upper_95'])})" for item in by_rule.values()
        )
        table.add_row(name, *cells)
    return table


def _power(found: Mapping[str, Any]) -> Table:
    table = _table(
        "How often a better generator is found, and how many images that takes",
        "Images: of either generator, with today's reference; or generated and real, both grown alike. Checked: the "
        "power found by simulating as many of both.",
        ("challenger",),
        ("promoted", "90 % interval", "images for 80 %", "or both", "checked"),
    )
    for power in found["power"]:
        alone, both, checked = power["num_images_needed"], power["both_needed"], power["checked"]
        table.add_row(
            power["name"],
            percent(power["power"]),
            f"{percent(power['lower_95'])} to {percent(power['upper_95'])}",
            f"{alone:,}" if alone is not None else "reference too small",
            f"{both['num_images']:,} and {both['num_reference']:,}" if both else "below min_improvement",
            f"{percent(checked['power'])} of {checked['repeats']}" if checked else "",
        )
    return table


def _whole(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(
        "Whole decisions, every guard measured",
        "Vetoes: how often each guard objected, whatever the Fréchet test said.",
        ("challenger against champion",),
        ("decisions", "promoted", "by the Fréchet test alone", "vetoes"),
    )
    for row in rows:
        promoted = round(row["promotion_rate"] * row["repeats"])
        vetoes = ", ".join(f"{words(name).lower()} {count}" for name, count in row["vetoes"].items()) or "none"
        table.add_row(row["name"], str(row["repeats"]), str(promoted), str(row["by_distance"]), vetoes)
    return table


def _table(title: str, caption: str, left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for column in left:
        table.add_column(column)
    for column in right:
        table.add_column(column, justify="right")
    return table
