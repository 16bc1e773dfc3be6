from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console
from stated import facts

from ganops.provenance.facts import DecisionFacts
from ganops.provenance.lineage import Word, lineage_of
from ganops.reports.audit import AuditPage, print_audit, write_audit_page
from ganops.reports.lineage import HEIGHT, WIDTH, lineage_drawing

EVIL = "<script>alert(1)</script>[/red]"
WORD = Word("rejected", EVIL, "no & never", "2026-01-31")
Box = tuple[float, float]


def decided() -> DecisionFacts:
    checks = [
        {"name": "fd_improvement", "verdict": "passed", "figure": 0.5, "sentence": EVIL},
        {"name": "recall", "verdict": "not_applied", "figure": None, "sentence": "No champion."},
    ]
    return DecisionFacts(
        outcome="pending",
        pair="0" * 32,
        comparison={"metrics": {"fd_star": {"champion": {"value": 4.0}}}},
        decision={"sentence": f"Promoted. {EVIL}", "checks": checks},
        policy={},
    )


def page(**changes: object) -> AuditPage:
    said = facts().replaced(decision=decided())
    values: dict[str, object] = {
        "model": "generator",
        "version": 3,
        "workspace_name": EVIL,
        "created": "2026-01-31 02:14 UTC",
        "facts": said,
        "lineage": lineage_of(said, 2, WORD),
        "word": WORD,
        "looks": [
            {"kind": "signature", "version": 3, "verdict": "not_applied", "sentence": "Nothing is signed."},
            {"kind": "files", "version": 3, "verdict": "failed", "sentence": EVIL},
        ],
        "findings": [{"kind": "files", "version": 3, "sentence": EVIL}],
        "remarks": [EVIL],
        "key": None,
        "history": [{"time": "2026", "actor": EVIL, "event": "pending", "moved": EVIL, "reason": EVIL}],
        "production": EVIL,
        "standing": "stage Archived",
        "statement": Path("journal/statements/generator/3/2.json"),
        "statement_sha256": "7" * 64,
    }
    return AuditPage(**{**values, **changes})  # type: ignore[arg-type]


def drawing(word: Word | None = WORD, champion: int | None = 2) -> ElementTree.Element:
    return ElementTree.fromstring(lineage_drawing(lineage_of(facts(), champion, word)))


def boxes(svg: ElementTree.Element) -> list[Box]:
    return [(float(rect.attrib["x"]), float(rect.attrib["y"])) for rect in svg.iter("rect")]


@pytest.mark.parametrize(("word", "champion"), [(None, None), (None, 2), (WORD, 2), (WORD, None)])
def test_boxes_lie_in_the_drawing_and_beside_each_other(word: Word | None, champion: int | None) -> None:
    svg = drawing(word, champion)
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    found = boxes(svg)
    assert all(x >= 0 and x + WIDTH <= width and y >= 0 and y + HEIGHT <= height for x, y in found)
    assert not [
        pair for pair in combinations(found, 2) if abs(pair[0][0] - pair[1][0]) < WIDTH and pair[0][1] == pair[1][1]
    ]


def test_every_arrow_leads_from_a_box_to_a_box() -> None:
    svg = drawing()
    found = boxes(svg)

    def touches(x: float, y: float) -> bool:
        return any(left <= x <= left + WIDTH and top <= y <= top + HEIGHT for left, top in found)

    arrows = [path.attrib["d"] for path in svg.iter("path") if path.attrib["class"] == "arrow"]
    assert len(arrows) == len(lineage_of(facts(), 2, WORD).edges)
    for arrow in arrows:
        numbers = [float(number) for number in re.findall(r"-?[0-9.]+", arrow)]
        start_x, start_y = numbers[:2]
        end_x, end_y = numbers[-2:] if "V" not in arrow else (numbers[-3] if "H" in arrow else start_x, numbers[-1])
        assert touches(start_x, start_y) and touches(end_x, end_y), arrow


def test_what_others_wrote_is_shown_and_never_run(tmp_path: Path) -> None:
    write_audit_page(tmp_path / "page.html", page())
    html = (tmp_path / "page.html").read_text()
    assert "<script" not in html and html.count("&lt;script&gt;") >= 8
    assert not re.findall(r"(?:src|href)=", html)
    assert "default-src 'none'" in html
    for answer in (
        "The gate would promote it; rejected by &lt;script",
        "nobody: it is not signed",
        "1 thing is not as stated",
        "1,790 accepted",
        "not applied",
    ):
        assert answer in html


def test_an_undecided_and_signed_version_has_a_page_too(tmp_path: Path) -> None:
    plain = page(facts=facts(), lineage=lineage_of(facts(), None, None), word=None, findings=[], looks=[], key="a" * 64)
    write_audit_page(tmp_path / "page.html", plain)
    html = (tmp_path / "page.html").read_text()
    assert "The gate was not asked yet" in html and "Everything is as stated" in html


@pytest.mark.parametrize(
    ("word", "outcome", "gate"),
    [
        (None, "The gate would promote it; it waits for a person", "waits for a person"),
        (WORD, f"The gate would promote it; rejected by {EVIL} on 2026-01-31", "would promote it"),
        (
            Word("approved", "Alice", "fine", "2026-02-01", promoted=True),
            "The gate would promote it; promoted by Alice on 2026-02-01",
            "would promote it",
        ),
        (
            Word("approved", "Alice", "fine", "2026-02-01"),
            "The gate would promote it; approved by Alice on 2026-02-01",
            "would promote it",
        ),
    ],
)
def test_what_a_person_decided_is_not_said_to_be_the_gates(word: Word | None, outcome: str, gate: str) -> None:
    said = facts().replaced(decision=decided())
    shown = page(facts=said, word=word, lineage=lineage_of(said, 2, word))
    assert shown.outcome[0] == outcome and shown.why == EVIL
    assert shown.lineage.nodes["gate"].lines[0] == gate


def test_who_was_not_written_down_is_said_to_be_so() -> None:
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        print_audit(
            console,
            page(history=[{"time": "2026", "actor": "", "event": "kept-champion", "moved": "", "reason": "as good"}]),
        )
    (line,) = (line for line in captured.get().splitlines() if "as good" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["2026", "not recorded", "Kept champion", "as good"]


def test_the_terminal_has_the_same_answers() -> None:
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        print_audit(console, page())
    said = captured.get()
    for answer in (
        "Which data?",
        "1,790 accepted, 7 refused",
        "NOBODY: it is not signed",
        "FINDING (files)",
        "rejected by",
    ):
        assert answer in said
    assert "not applied: No champion." in said
    assert said.index("1 thing is not as stated") < said.index("FINDING (files)") < said.index("Which data?")
    assert "ok      Signatures" not in said and "–       Signatures of version 3: Nothing is signed." in said
