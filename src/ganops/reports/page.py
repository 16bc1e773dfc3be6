"""The report page: what one run came to, as one HTML file that needs no server, no network and no script.

`write_page` is the one path to read. Names, labels, reasons and file names were written by others:
the template escapes every one of them, and the page's own policy forbids it to load or run anything.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, final

from markupsafe import Markup

from ganops.evaluation.classes import ClassRow
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.intervals import shown_interval
from ganops.files import write_text
from ganops.reports.curves import COLOURS, Axis, Series, finite, interval, interval_scale, line_chart, text
from ganops.reports.html import rendered
from ganops.reports.metrics import MEANINGS, Meaning
from ganops.reports.summary import CandidateRow, RunSummary
from ganops.reports.words import words

_PNG = b"\x89PNG\r\n\x1a\n"
_FOLLOWED = ("http://", "https://", "file://", "./", "../")
"""What a link may begin with; anything else (a command, a path) is shown as it is."""
_RECENT = 12
"""Events of the history that are shown unfolded."""
_BADGES = {
    "promoted": ("Promoted", "good"),
    "kept-champion": ("Kept champion", "held"),
    "unchanged": ("Unchanged", "plain"),
}
_VERDICTS = {"passed": "good", "failed": "bad"}
_SMALL_CHARTS = (
    ("loss_generator", "Generator loss"),
    ("loss_discriminator", "Discriminator loss"),
    ("gradient_penalty", "Gradient penalty"),
    ("grad_norm_generator", "Generator gradient norm"),
    ("grad_norm_discriminator", "Discriminator gradient norm"),
    ("real_logit", "Discriminator logit, real"),
    ("fake_logit", "Discriminator logit, generated"),
    ("images_per_second", "Images per second"),
)


@final
@dataclass(frozen=True)
class Page:
    """What the page shows.

    created: ISO 8601 time of the report.
    curves: per candidate the parsed lines of its stats.jsonl; values may be missing, None or not finite.
    grids: per candidate a PNG file; one that cannot be read is said to be missing.
    lineage: (what, value) in order: data version, sha256, image counts, git commit, extractor, protocol.
    history: time, event, version, reason, oldest first, as the journal has them.
    validation: rule, severity, success, observed, expected, offenders (their count).
    links: name to an address (`http://`, `https://`, `file://`, `./`, `../`), a command or a path.
    scores: per candidate every metric by name. classes: per candidate a row for each class, where there are classes.
    nearest: per candidate a PNG file of generated images beside the training images that they resemble most.
    """

    summary: RunSummary
    workspace_name: str
    created: str
    curves: Mapping[str, Sequence[Mapping[str, Any]]]
    grids: Mapping[str, Path]
    lineage: Sequence[tuple[str, str]]
    history: Sequence[Mapping[str, Any]]
    validation: Sequence[Mapping[str, Any]]
    links: Mapping[str, str]
    scores: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)
    classes: Mapping[str, Sequence[ClassRow]] = field(default_factory=dict)
    nearest: Mapping[str, Path] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class _Score:
    """One metric as the table of scores shows it: a figure and its interval for each candidate."""

    name: str
    better: str
    sees: str
    figures: tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True)
class _Row:
    """One candidate as the table shows it."""

    name: str
    colour: int
    family: str
    fd: str
    interval: str
    plot: Markup
    metrics: tuple[str, ...]
    failure: str | None


@final
@dataclass(frozen=True)
class _Legend:
    """One candidate's colour, and in words its best Fréchet distance and its rollbacks (empty without either)."""

    name: str
    colour: int
    words: str


def write_page(path: Path, page: Page) -> None:
    """Write `page` to `path`, atomically, as one self-contained HTML file.

    Raises:
        OSError: `path` cannot be written. A grid that cannot be read is no error.
    """
    write_text(path, rendered("page.html.j2", _view(page), {"figure": _figure, "words": words, "day": _day}))


def _view(page: Page) -> dict[str, Any]:
    """Everything that the template names."""
    summary = page.summary
    numbers = _numbers(page)
    badge, tone = _BADGES.get(summary.decision, (words(summary.decision), "plain"))
    scores = _series(page.curves, numbers, "fd")
    history = [*reversed(page.history)]
    return {
        "page": page,
        "summary": summary,
        "badge": badge,
        "tone": tone,
        "verdict_tones": _VERDICTS,
        "with_errors": _any_number(summary.checks, "standard_error"),
        "with_bounds": _any_number(summary.checks, "bound"),
        "metrics": [(name, _meaning(name).better) for name in _metric_names(summary.candidates)],
        "scale": _scale(summary.candidates),
        "rows": _rows(summary.candidates, numbers),
        "judged": [(name, numbers[name] % COLOURS) for name in _judged(page)],
        "scores": _scores(page),
        "classes": [
            (name, numbers[name] % COLOURS, _classes(page.classes[name])) for name in _ranked(page, page.classes)
        ],
        "nearest": [
            (name, numbers[name] % COLOURS, _data_uri(page.nearest[name])) for name in _ranked(page, page.nearest)
        ],
        "grids": [(name, numbers[name] % COLOURS, _data_uri(page.grids[name])) for name in _ranked(page, page.grids)],
        "legend": [_legend(name, numbers[name], lines) for name, lines in page.curves.items() if lines],
        "score_chart": line_chart(scores, _described("Fréchet distance on the select split", scores)),
        "small_charts": _small_charts(page.curves, numbers),
        "history": (history[:_RECENT], history[_RECENT:]),
        "links": [(name, to, to.startswith(_FOLLOWED)) for name, to in page.links.items()],
    }


def _numbers(page: Page) -> dict[str, int]:
    """Each candidate's place, which is its colour: by name, so that a run's ranking does not move colours."""
    shown = (page.curves, page.grids, page.scores, page.classes, page.nearest)
    names = {row.name for row in page.summary.candidates}.union(*shown)
    return {name: number for number, name in enumerate(sorted(names))}


def _ranked(page: Page, shown: Mapping[str, Any]) -> list[str]:
    """The names of what is shown in the order of the candidates' table."""
    names = (*(row.name for row in page.summary.candidates), *shown)
    return [name for name in dict.fromkeys(names) if name in shown]


def _judged(page: Page) -> list[str]:
    return _ranked(page, page.scores)


def _meaning(name: str) -> Meaning:
    return MEANINGS.get(name, Meaning("", ""))


def _scores(page: Page) -> list[_Score]:
    """A row for each metric that any candidate has, in the order in which they are explained."""
    found = list(dict.fromkeys(name for metrics in page.scores.values() for name in metrics))
    found.sort(key=lambda name: [*MEANINGS].index(name) if name in MEANINGS else len(MEANINGS))
    judged = [page.scores[name] for name in _judged(page)]
    return [
        _Score(
            name,
            _meaning(name).better,
            _meaning(name).sees,
            tuple(_with_interval(name, metrics.get(name)) for metrics in judged),
        )
        for name in found
    ]


def _with_interval(metric: str, measured: Measurement | None) -> tuple[str, str]:
    """The figure, and `low to high`."""
    if measured is None or (value := finite(measured.value)) is None:
        return "–", ""
    low, high = (finite(end) for end in shown_interval(metric, measured))
    return text(value), "" if low is None or high is None else f"{text(low, 3)} to {text(high, 3)}"


def _classes(rows: Sequence[ClassRow]) -> list[tuple[str, tuple[str, str], tuple[str, str], tuple[str, str]]]:
    """(name, share made, share real, coverage), each share with its interval."""
    shown = partial(_with_interval, "coverage")  # shares, all three
    return [(row.name, shown(row.made), shown(row.real), shown(row.coverage)) for row in rows]


def _any_number(checks: Sequence[Mapping[str, Any]], key: str) -> bool:
    return any(finite(check.get(key)) is not None for check in checks)


def _metric_names(candidates: Sequence[CandidateRow]) -> list[str]:
    return list(dict.fromkeys(name for row in candidates for name in row.metrics))


def _rows(candidates: Sequence[CandidateRow], numbers: Mapping[str, int]) -> list[_Row]:
    axis = _axis(candidates)
    names = _metric_names(candidates)
    return [
        _Row(
            row.name,
            numbers[row.name] % COLOURS,
            row.family,
            text(finite(row.fd)),
            _interval_text(row),
            _plot(row, axis, numbers[row.name]),
            tuple(text(finite(row.metrics.get(name)), 3) for name in names),
            row.failure or ("It has no score." if row.fd is None else None),
        )
        for row in candidates
    ]


def _interval_text(row: CandidateRow) -> str:
    low, high = finite(row.low), finite(row.high)
    return "–" if low is None or high is None else f"{text(low)} to {text(high)}"


def _axis(candidates: Sequence[CandidateRow]) -> Axis | None:
    """One axis for all intervals; None where there is nothing to show."""
    found = [finite(value) for row in candidates for value in (row.low, row.fd, row.high)]
    values = [value for value in found if value is not None]
    return Axis.over(values) if values else None


def _plot(row: CandidateRow, axis: Axis | None, number: int) -> Markup:
    fd = finite(row.fd)
    return Markup("") if axis is None or fd is None else interval(finite(row.low), fd, finite(row.high), axis, number)


def _scale(candidates: Sequence[CandidateRow]) -> Markup:
    axis = _axis(candidates)
    return Markup("") if axis is None else interval_scale(axis)


def _series(curves: Mapping[str, Sequence[Mapping[str, Any]]], numbers: Mapping[str, int], key: str) -> list[Series]:
    """One line per candidate that has figures under `key`; the best is marked for the Fréchet distance alone."""
    series = []
    for name, lines in curves.items():
        points = _points(lines, key)
        if points:
            best = min(points, key=lambda point: point[1]) if key == "fd" else None
            series.append(Series(name, numbers[name], points, best, _rollbacks(lines, key)))
    return series


def _points(lines: Sequence[Mapping[str, Any]], key: str) -> tuple[tuple[float, float], ...]:
    pairs = [(finite(line.get("kimg")), finite(line.get(key))) for line in lines]
    return tuple((x, y) for x, y in pairs if x is not None and y is not None)


def _rollbacks(lines: Sequence[Mapping[str, Any]], key: str) -> tuple[tuple[int, float], ...]:
    """Points that lie before each rollback, and where it went back from; see `Series`."""
    found = [(number, finite(line.get("kimg"))) for number, line in enumerate(lines) if line.get("event") == "rollback"]
    return tuple((len(_points(lines[: number + 1], key)), x) for number, x in found if x is not None)


def _small_charts(
    curves: Mapping[str, Sequence[Mapping[str, Any]]], numbers: Mapping[str, int]
) -> list[tuple[str, Markup]]:
    charts = []
    for key, title in _SMALL_CHARTS:
        series = _series(curves, numbers, key)
        if any(y != 0 for each in series for _, y in each.points):
            charts.append((title, line_chart(series, _described(title, series), height=120)))
    return charts


def _described(title: str, series: Sequence[Series]) -> str:
    """What a chart says, in words."""
    said = [f"{each.name} from {text(each.points[0][1])} to {text(each.points[-1][1])}" for each in series]
    return f"{title} against thousands of real images shown: {'; '.join(said)}."


def _legend(name: str, number: int, lines: Sequence[Mapping[str, Any]]) -> _Legend:
    best = min(_points(lines, "fd"), key=lambda point: point[1], default=None)
    said = [f"best {text(best[1])} at {text(best[0])} kimg"] if best else []
    if back := [text(x) for _, x in _rollbacks(lines, "fd")]:
        said.append(f"went back to a checkpoint at {' and '.join(back)} kimg (dotted)")
    return _Legend(name, number % COLOURS, ", ".join(said))


def _data_uri(png: Path) -> str | None:
    """The file as an address that holds it; None where it is missing or no PNG."""
    try:
        data = png.read_bytes()
    except OSError:
        return None
    return "data:image/png;base64," + base64.b64encode(data).decode() if data.startswith(_PNG) else None


def _figure(value: Any) -> str:
    """Any value for a person: numbers short, nothing as an en dash."""
    if value is None or value in ("", "nan", "inf", "-inf"):  # as JSON has it
        return "–"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return text(finite(value))
    return str(value)


def _day(time: Any) -> str:
    """An ISO time as date and minute, in UTC where it says its zone; anything else as it is."""
    try:
        moment = datetime.fromisoformat(str(time))
    except ValueError:
        return str(time)
    if moment.tzinfo is None:
        return moment.strftime("%Y-%m-%d %H:%M")
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
