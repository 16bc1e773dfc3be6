from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ganops.evaluation.classes import ClassRow
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.judge import Metric
from ganops.reports.curves import Axis, Series, line_chart, text
from ganops.reports.grid import write_grid
from ganops.reports.metrics import MEANINGS
from ganops.reports.page import Page, write_page
from ganops.reports.summary import CandidateRow, RunSummary
from ganops.reports.terminal import print_summary

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Read(HTMLParser):
    """Tags with their attributes and the text a person sees; unbalanced tags are an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.seen = ""
        self.feed(html)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.seen += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def row(name: str = "lite", fd: float | None = 12.6, **changes: Any) -> CandidateRow:
    low, high = (None, None) if fd is None else (fd - 1, fd + 1)
    return replace(CandidateRow(name, "lite", fd, low, high, {"coverage": 0.61}), **changes)


def stats(*fds: float | None) -> list[Mapping[str, Any]]:
    return [{"kimg": 10.0 * (n + 1), "fd": fd, "loss_generator": 1.5 - 0.1 * n} for n, fd in enumerate(fds)]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    grid = tmp_path / "lite.png"
    write_grid(grid, np.arange(4 * 64, dtype=np.uint8).reshape(4, 1, 8, 8), scale=1)
    check = {"name": "frechet_distance", "verdict": "passed", "figure": 2.94, "threshold": 0.0, "sentence": "Smaller."}
    summary = RunSummary(
        changed=True,
        score="fd_classifier@3fa81c02",
        candidates=(row("dcgan", 4.873), row()),
        decision="promoted",
        sentence="Version 7 replaces version 5.",
        checks=(check,),
        model="generator",
        version=7,
        stage="Production",
        aliases=("champion",),
        champion=7,
        page=tmp_path / "page.html",
        grids={},
    )
    return Page(
        summary=summary,
        workspace_name="mine",
        created="2026-05-12T02:41:09+00:00",
        curves={"dcgan": stats(300.0, None, 4.9), "lite": stats(250.0, 13.0, 14.0)},
        grids={"lite": grid},
        lineage=[("Data version", "a3c1f2.dir")],
        history=[{"time": "2026-05-08T02:40:00+00:00", "event": "promoted", "version": 5, "reason": "First champion."}],
        validation=[
            {
                "rule": "contrast",
                "severity": "warning",
                "success": False,
                "observed": "0",
                "expected": "1",
                "offenders": 3,
            }
        ],
        links={"Prefect": "http://127.0.0.1:4200/run", "MLflow": "mlflow ui"},
    )


def written(page: Page, tmp_path: Path) -> str:
    path = tmp_path / "deep" / "page.html"
    write_page(path, page)
    return path.read_text(encoding="utf-8")


def read(page: Page, tmp_path: Path) -> Read:
    return Read(written(page, tmp_path))


def test_the_page_loads_and_runs_nothing(page: Page, tmp_path: Path) -> None:
    html = written(page, tmp_path)
    tags = Read(html).tags
    assert not {"script", "link", "iframe", "object", "embed", "base", "use"} & {tag for tag, _ in tags}
    assert not re.search(r"url\(|@import", html)
    sources = [value for _, attributes in tags for key, value in attributes.items() if key in ("src", "srcset")]
    assert sources and all(value and value.startswith("data:image/png;base64,") for value in sources)
    assert [a["href"] for a in Read(html).all("a")] == ["http://127.0.0.1:4200/run"]
    assert "default-src 'none'" in html


def test_the_same_page_gives_the_same_bytes(page: Page, tmp_path: Path) -> None:
    assert written(page, tmp_path) == written(page, tmp_path)


@pytest.mark.parametrize(
    ("decision", "badge"),
    [
        ("promoted", "Promoted"),
        ("kept-champion", "Kept champion"),
        ("unchanged", "Unchanged"),
        ("new_word", "New word"),
    ],
)
def test_the_decision_comes_first(page: Page, tmp_path: Path, decision: str, badge: str) -> None:
    seen = read(replace(page, summary=replace(page.summary, decision=decision)), tmp_path).seen
    sections = ["The gate’s checks", "Candidates", "Samples", "Training", "Data validation", "Lineage", "History"]
    places = [seen.index(each) for each in (f"\n{badge}\n", page.summary.sentence, *sections, "Where to look")]
    assert places == sorted(places)


def test_what_others_wrote_is_escaped_everywhere(page: Page, tmp_path: Path) -> None:
    bad = row(HOSTILE, None, family=HOSTILE, metrics={HOSTILE: 1.0}, failure=HOSTILE)
    summary = replace(
        page.summary,
        candidates=(row(HOSTILE), bad),
        sentence=HOSTILE,
        decision=HOSTILE,
        score=HOSTILE,
        model=HOSTILE,
        stage=HOSTILE,
        aliases=(HOSTILE,),
        checks=({"name": HOSTILE, "verdict": HOSTILE, "figure": HOSTILE, "threshold": HOSTILE, "sentence": HOSTILE},),
    )
    hostile = replace(
        page,
        summary=summary,
        workspace_name=HOSTILE,
        created=HOSTILE,
        curves={HOSTILE: stats(3.0, 2.0)},
        grids={HOSTILE: page.grids["lite"]},
        lineage=[(HOSTILE, HOSTILE)],
        history=[dict.fromkeys(("time", "event", "version", "reason"), HOSTILE)],
        validation=[dict.fromkeys(("rule", "severity", "success", "observed", "expected", "offenders"), HOSTILE)],
        links={HOSTILE: HOSTILE},
    )
    document = read(hostile, tmp_path)
    assert not document.all("script")
    assert [image["alt"] for image in document.all("img")] == [f"Grid of images generated by candidate {HOSTILE}"]
    assert not [key for _, attributes in document.tags for key in attributes if key.startswith("on")]
    assert document.seen.count(HOSTILE) >= 15


def test_only_addresses_become_links(page: Page, tmp_path: Path) -> None:
    links = {"a": "javascript:alert(1)", "b": "data:text/html,x", "c": "../docs/index.html", "d": "ganops status"}
    document = read(replace(page, links=links), tmp_path)
    assert [a["href"] for a in document.all("a")] == ["../docs/index.html"]
    assert all(value in document.seen for value in links.values())


def scored(page: Page, tmp_path: Path) -> Page:
    scores = {"lite": {"fd_star": Measurement(12.6, 0.5), "coverage": Measurement(0.61, math.nan)}}
    share = Measurement(0.25, 0.01)
    return replace(page, scores=scores, classes={"lite": [ClassRow("shoe", share, share, None)]}, nearest=page.grids)


def test_every_score_is_shown_with_its_interval_and_what_it_means(page: Page, tmp_path: Path) -> None:
    seen = read(scored(page, tmp_path), tmp_path).seen
    for part in ("11.6 to 13.6", "Freed of the bias", "↓ better", "Share of real images whose neighbourhood", "0.61"):
        assert part in seen
    assert "nan" not in seen
    order = [
        seen.index(each) for each in ("Candidates", "\nScores\n", "shoe", "Nearest to training images", "\nSamples\n")
    ]
    assert order == sorted(order)


def test_every_metric_is_explained() -> None:
    assert set(MEANINGS) == set(get_args(Metric))
    assert all(meaning.better and meaning.sees.endswith(".") for meaning in MEANINGS.values())


def test_images_nearest_to_training_images_are_shown_or_said_to_be_missing(page: Page, tmp_path: Path) -> None:
    document = read(scored(page, tmp_path), tmp_path)
    assert document.all("img")[0]["alt"] == (
        "Images generated by candidate lite above the training images that they resemble most"
    )
    missing = replace(scored(page, tmp_path), nearest={"lite": tmp_path / "none.png"})
    assert "The picture is missing." in read(missing, tmp_path).seen


def test_an_empty_history_says_so(page: Page, tmp_path: Path) -> None:
    assert "No event yet." in read(replace(page, history=[]), tmp_path).seen


def test_a_long_history_shows_the_newest_first_and_folds_the_rest(page: Page, tmp_path: Path) -> None:
    history = [{"time": "", "event": "registered", "version": n, "reason": f"reason {n}."} for n in range(1, 21)]
    document = read(replace(page, history=history), tmp_path)
    assert (
        document.seen.index("reason 20.") < document.seen.index("8 earlier events") < document.seen.index("reason 1.")
    )


def test_a_failed_candidate_is_shown_with_its_reason(page: Page, tmp_path: Path) -> None:
    summary = replace(page.summary, candidates=(row(), row("wide", None, metrics={}, failure="Training diverged.")))
    curves = {"lite": stats(3.0), "wide": [{"kimg": 1.0}]}
    document = read(replace(page, summary=summary, curves=curves), tmp_path)
    assert "failed" in document.seen
    assert "Training diverged." in document.seen


def test_all_candidates_failed(page: Page, tmp_path: Path) -> None:
    summary = replace(page.summary, candidates=(row("a", None, failure="Too short."),), checks=())
    seen = read(replace(page, summary=summary, curves={}, grids={}), tmp_path).seen
    assert "Too short." in seen
    assert "The gate was not asked" in seen


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf, None, "nan", "-inf"])
def test_what_is_not_a_number_is_a_dash(page: Page, tmp_path: Path, nothing: Any) -> None:
    check = {"name": "recall", "verdict": "failed", "figure": nothing, "standard_error": nothing, "bound": nothing}
    metrics: dict[str, Any] = {"coverage": nothing}
    summary = replace(
        page.summary,
        candidates=(row(), CandidateRow("odd", "lite", nothing, nothing, nothing, metrics)),
        checks=(check, {**check, "standard_error": 0.5, "bound": 0.25}),
    )
    keys = ("kimg", "fd", "loss_generator", "grad_norm_generator")
    curves = {"odd": [dict.fromkeys(keys, nothing), {"kimg": 1.0, "fd": nothing}, {"kimg": nothing, "fd": 1.0}, {}]}
    document = read(replace(page, summary=summary, curves=curves), tmp_path)
    everything = document.seen + " ".join(str(attributes) for tag, attributes in document.tags if tag != "img")
    assert not re.search(r"\b(nan|inf)\b", everything.lower())
    assert "–" in document.seen
    assert "None" not in document.seen


def test_one_candidate_with_one_line(page: Page, tmp_path: Path) -> None:
    summary = replace(page.summary, candidates=(row(),))
    document = read(replace(page, summary=summary, curves={"lite": stats(12.6)}), tmp_path)
    assert [label for svg in document.all("svg") if (label := svg.get("aria-label"))]
    assert "best 12.6 at 10 kimg" in document.seen


@pytest.mark.parametrize("content", [None, b"", b"<svg onload=alert(1)>"])
def test_a_grid_that_is_no_png_is_said_to_be_missing(page: Page, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.png"
    if content is not None:
        path.write_bytes(content)
    document = read(replace(page, grids={"lite": path}), tmp_path)
    assert not document.all("img")
    assert "The sample grid is missing." in document.seen


def test_pictures_and_tables_can_be_heard(page: Page, tmp_path: Path) -> None:
    document = read(page, tmp_path)
    assert all(image["alt"] for image in document.all("img"))
    assert all(header["scope"] in ("col", "row") for header in document.all("th"))
    charts = [svg for svg in document.all("svg") if svg.get("role") == "img"]
    assert charts[0]["aria-label"] == (
        "Fréchet distance on the select split against thousands of real images shown: "
        "dcgan from 300 to 4.9; lite from 250 to 14."
    )


def test_grids_come_in_the_order_of_the_candidates(page: Page, tmp_path: Path) -> None:
    grids = dict.fromkeys(("other", "lite", "dcgan"), page.grids["lite"])
    images = read(replace(page, grids=grids), tmp_path).all("img")
    assert [str(image["alt"]).split()[-1] for image in images] == ["dcgan", "lite", "other"]


def test_a_candidate_keeps_its_colour_throughout(page: Page, tmp_path: Path) -> None:
    html = written(page, tmp_path)
    assert set(re.findall(r'class="key (s\d)"></span>lite<', html)) == {"s1"}
    assert set(re.findall(r'<li class="(s\d)"><span class="key"></span><span>lite<', html)) == {"s1"}


@given(st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1, max_size=20))
def test_an_axis_shows_every_value_and_ends_at_round_ones(values: list[float]) -> None:
    axis = Axis.over(values)
    assert all(-1e-6 <= axis.share(value) <= 1 + 1e-6 for value in values)
    assert len(axis.ticks(6)) <= 7
    assert all(-1e-6 <= axis.share(tick) <= 1 + 1e-6 for tick in axis.ticks(6))


def test_a_wide_positive_range_is_logarithmic_and_negatives_never_are() -> None:
    assert Axis.over([5.0, 700.0]).log
    assert not Axis.over([5.0, 50.0]).log
    assert not Axis.over([-0.1, 700.0]).log


def test_the_best_point_alone_carries_a_figure() -> None:
    points = ((10.0, 30.0), (20.0, 20.0))
    chart = line_chart([Series("a", 0, points, points[1]), Series("b", 1, points, points[0])], "x")
    assert chart.count('class="ring') == 2
    assert re.findall(r">best ([^<]+)<", chart) == ["20"]


def test_a_line_is_broken_and_marked_where_training_went_back(page: Page, tmp_path: Path) -> None:
    back = {"kimg": 55.0, "fd": None, "loss_generator": None, "event": "rollback"}
    again = [{"kimg": kimg, "fd": 9.0, "loss_generator": 1.0} for kimg in (40.0, 50.0, 60.0)]
    curves = {"dcgan": [*stats(300.0, 90.0, 40.0, 20.0, 10.0), back, back | {"kimg": 35.0}, *again]}
    html = written(replace(page, curves=curves), tmp_path)
    drawn = re.findall(r'<polyline class="line s0" points="([^"]+)"', html)
    assert [len(points.split()) for points in drawn] == [5, 3] * 2  # of the distance and of the generator's loss
    for points in drawn:
        xs = [float(point.split(",")[0]) for point in points.split()]
        assert xs == sorted(xs)
    assert html.count('<line class="back s0"') == 4
    assert "went back to a checkpoint at 55 and 35 kimg" in Read(html).seen


def test_a_rollback_beyond_the_last_point_is_on_the_chart() -> None:
    chart = line_chart([Series("a", 0, ((10.0, 3.0), (20.0, 2.0)), rollbacks=((2, 80.0),))], "x")
    ((start, end),) = re.findall(r'<line class="back s0" x1="([^"]+)%" x2="([^"]+)%"', chart)
    assert start == end and 50 < float(start) <= 100


def test_a_figure_just_below_zero_is_zero(page: Page) -> None:
    best = row(fd=-0.001, low=-0.3, high=-0.004, metrics={"coverage": -0.0})
    (shown,) = replace(page.summary, candidates=(best,)).table()
    assert (shown["FD*"], shown["95 % interval"], shown["coverage"]) == ("0.00", "-0.30 to 0.00", "0")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (-0.25, "−0.25"),
        (4.8731, "4.873"),
        (12345.6, "12,346"),
        (2e-5, "2e−05"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_figures_for_people(value: float | None, shown: str) -> None:
    assert text(value) == shown


def test_what_a_training_had_to_say_is_on_the_page_and_on_the_terminal(page: Page, tmp_path: Path) -> None:
    told = row(remarks=("stopped: collapse at [bold]12 kimg[/]", HOSTILE))
    summary = replace(page.summary, candidates=(row("dcgan", 4.873), told))
    html = written(replace(page, summary=summary), tmp_path)
    assert HOSTILE not in html
    seen = " ".join(Read(html).seen.split())
    assert "What training had to say" in seen
    assert "lite: stopped: collapse at [bold]12 kimg[/]" in seen and f"lite: {HOSTILE}" in seen
    console = Console(record=True, width=60)
    print_summary(console, RunSummary.from_json(json.loads(json.dumps(summary.to_json()))), {})
    lines = console.export_text().splitlines()
    assert "lite: stopped: collapse at [bold]12 kimg[/]" in lines and f"lite: {HOSTILE}" in lines


def test_trainings_that_had_nothing_to_say(page: Page, tmp_path: Path) -> None:
    assert "What training had to say" not in written(page, tmp_path)
