"""A score for a person: each metric with its interval, which way is better and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ganops.plain_text import spelt
from ganops.reports.curves import finite, text

Better = Literal["lower", "higher", "near 1", "near 0"]


@final
@dataclass(frozen=True)
class Meaning:
    """Which values of a metric are better, and in a few words what it says."""

    better: Better
    says: str
    biased: bool = False
    """Whether the figure, and its interval with it, is too large, the more so the fewer the images."""


MEANINGS: Mapping[str, Meaning] = {
    "fd": Meaning(
        "lower", "Fréchet distance as papers report it (biased: fewer images make it and its interval larger)", True
    ),
    "fd_star": Meaning("lower", "Fréchet distance freed of the bias that the counts bring; may fall a little below 0"),
    "kid": Meaning("lower", "squared kernel distance (MMD), unbiased; 0 when alike"),
    "kid_subsets": Meaning("lower", "KID as the mean over random subsets, as other tools report it"),
    "kernel_distance": Meaning("lower", "KID in units of B's spread; 1 is one image of B for ever"),
    "precision": Meaning("higher", "share of A that lies among B: fidelity"),
    "recall": Meaning("higher", "share of B that lies among A: variety"),
    "density": Meaning("near 1", "how thickly A lies where B does; 1 when alike"),
    "coverage": Meaning("higher", "share of B with an image of A near it"),
    "class_coverage": Meaning("higher", "1 when classes have the shares that they have in B"),
    "inception_score": Meaning("higher", "single images clear, all together varied; does not look at B"),
    "memorisation": Meaning("near 0", "share of A nearer to training than to held-out images, less that of real ones"),
    "copies": Meaning("near 0", "share of A suspiciously near to a training image, less that of real ones"),
    "mifid": Meaning("lower", "fd (biased), made larger where A lies close to training images", True),
}
_ARROWS: Mapping[Better, str] = {"lower": "↓ lower", "higher": "↑ higher", "near 1": "→ 1", "near 0": "→ 0"}
_NO_TASK = (None, "", "unknown")
_ROLES = {"a": "A", "b": "B", "train": "training", "heldout": "held out"}


def print_score(console: Console, score: Mapping[str, Any]) -> None:
    """The JSON of `ganops score` as a table, and under it whose eyes it was seen with and what to know of it."""
    console.print(_table(score))
    for role, name in _ROLES.items():
        if score[role] is not None:
            _line(console, f"{name}:", side(score[role]))
    _line(console, "seen by:", seen_by(score["protocol"]))
    if score["not_applicable"]:
        _line(console, "left out:", "; ".join(f"{name} {why}" for name, why in score["not_applicable"].items()))
    for note in score["notes"]:
        console.print(f"[yellow]note:[/] {escape(spelt(note))}", highlight=False, soft_wrap=True)


def side(facts: Mapping[str, Any]) -> str:
    """One side in words."""
    images = f"{facts['num_images']:,} images"
    what = {"images": images, "model": f"{images} of a model"}.get(facts["kind"], f"features of {images}")
    split = f", split {facts['split']}" if facts["split"] else ""
    return f"{facts['name']}{split}: {what} (sha256 {facts['sha256'][:8]})"


def seen_by(protocol: Mapping[str, Any]) -> str:
    """The extractor in words."""
    if protocol["extractor"] == "pixels":
        return "no extractor: these metrics look at the pixels alone"
    if protocol["extractor_origin"] is None:
        return f"whatever computed the features, {protocol['dim']} for each image"
    accuracy = finite(protocol["extractor_accuracy"])
    facts = [
        *([protocol["extractor_task"]] if protocol["extractor_task"] not in _NO_TASK else []),
        *([f"{accuracy:.1%} of held-out images right"] if accuracy else []),
        f"{protocol['dim']} features",
        f"sha256 {protocol['extractor_sha256'][:8]}",
    ]
    return f"{protocol['extractor']} ({', '.join(facts)}), {protocol['extractor_origin']}"


def interval(item: Mapping[str, Any]) -> str:
    """The 95 % interval in words; empty where there is none."""
    low, high = item["low"], item["high"]
    return "" if low is None or high is None else f"{text(low)} to {text(high)}"


def _table(score: Mapping[str, Any]) -> Table:
    table = Table(
        title=f"A against B, {escape(score['score'])}", title_justify="left", caption_justify="left", show_edge=False
    )
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("better", no_wrap=True)
    table.add_column("what it says", ratio=1)
    for name, item in score["metrics"].items():
        meaning = MEANINGS.get(name)
        better, says = (_ARROWS[meaning.better], meaning.says) if meaning else ("", "")
        table.add_row(f"[bold]{escape(name)}[/]", text(item["value"]), interval(item), better, says)
    return table


def _line(console: Console, what: str, said: str) -> None:
    console.print(f"[dim]{what:<9}[/] {escape(spelt(said))}", highlight=False, soft_wrap=True)
