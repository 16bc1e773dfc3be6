from __future__ import annotations

import json
from pathlib import Path

import pytest
from stated import MODULES, facts

from ganops.files import digest_json
from ganops.provenance.facts import MachineFacts
from ganops.provenance.journal import Journal
from ganops.provenance.lineage import Word, lineage_of
from ganops.provenance.reproduction import code_notes, machine_notes, reproduced
from ganops.provenance.verification import Finding, Look, anchor_finding, differences, read_journal


def written(folder: Path, count: int = 3) -> Journal:
    journal = Journal(folder, "anna")
    for number in range(count):
        journal.append("registered", number + 1, "made", {})
    return journal


def test_files_are_held_against_what_was_stated() -> None:
    stated = {"same": "1", "changed": "2", "gone": "3", "old": "4"}
    actual = {"same": "1", "changed": "0", "new": "4", "more": "5", "cache.pyc": "6"}
    assert [sentence.split(" (")[0] for sentence in differences(stated, actual)] == [
        "changed was changed",
        "gone is missing",
        "old was renamed to new",
        "cache.pyc was added",
        "more was added",
    ]
    assert differences(stated, stated) == []


def test_what_is_shown_of_a_finding_is_plain_text() -> None:
    (said,) = differences({}, {"a\x1b[2K\u202e\udcff.txt": "1"})
    finding = Finding("files", 1, said)
    shown = [finding.to_json()["sentence"], Look("files", 1, "", (finding,)).to_json()["sentence"]]
    assert shown == [r"a\x1b[2K\u202e\udcff.txt was added"] * 2


def test_a_broken_journal_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    journal = written(tmp_path)
    whole = journal.path.read_bytes()
    assert read_journal(whole).broken is None
    lines = whole.splitlines(keepends=True)
    edited = read_journal(b"".join([lines[0], lines[1].replace(b"made", b"mode"), lines[2]]))
    assert "Line 2" in str(edited.broken) and "edited" in str(edited.broken)
    assert (len(edited.entries), len(edited.digests), edited.lines) == (3, 1, 3)
    for rubbish in (b"{}\n", b"[1]\n", b"null\n", b'{"details": 3}\n', b"\xff\n", b"[" * 10**5 + b"\n"):
        assert "Line 1" in str(read_journal(rubbish + whole).broken)


@pytest.mark.parametrize(
    "odd", [{"version": "../../x"}, {"details": []}, {"time": 3}, {"reason": None}, {"event": ["promoted"]}]
)
def test_a_line_of_other_kinds_is_no_entry_however_well_it_is_chained(odd: dict[str, object]) -> None:
    line = {"time": "2026", "actor": "a", "event": "registered", "version": 1, "reason": "", "details": {}}
    body = {**line, "previous": "0" * 64, **odd}
    found = read_journal(json.dumps({**body, "digest": digest_json(body)}).encode() + b"\n")
    assert "no entry" in str(found.broken) and found.entries == ()


def test_an_anchor_sees_a_cut_tail_and_a_journal_written_anew(tmp_path: Path) -> None:
    journal = written(tmp_path)
    head, whole = journal.head(), journal.path.read_bytes()
    assert anchor_finding("A tag", head.count, head.digest, read_journal(whole)) is None
    assert anchor_finding("A tag", 0, "0" * 64, read_journal(b"")) is None
    cut = anchor_finding("A tag", head.count, head.digest, read_journal(whole[: whole.index(b"\n") + 1]))
    assert cut is not None and "had 3 lines, and it has 1" in cut.sentence
    other = written(tmp_path / "other", 4)
    anew = anchor_finding("A tag", head.count, "1" * 64, read_journal(other.path.read_bytes()))
    assert anew is not None and "written anew" in anew.sentence


@pytest.mark.parametrize(
    ("snapshot", "fd", "promise"),
    [
        ("a" * 64, 3.5, "same-sha256"),
        ("b" * 64, 3.31, "within-interval"),
        ("b" * 64, 3.71, "none"),
        ("b" * 64, float("nan"), "none"),
    ],
)
def test_which_promise_held_is_said(snapshot: str, fd: float, promise: str) -> None:
    made = reproduced(facts(), snapshot, fd, {"data/raw": "1", "data/prepared": "2"}, {"data/raw": "1"}, ())
    assert (made.promise, made.differing) == (promise, ("data/prepared",))
    assert ("from data/prepared on" in made.sentence) == (promise != "same-sha256")


def test_what_is_not_as_it_was_then_is_named() -> None:
    assert code_notes(facts().code, "0.1.0", MODULES) == ()
    (note,) = code_notes(facts().code, "0.2.0", {**MODULES, "training/loop.py": "9" * 64})
    assert "training/loop.py was changed" in note and "0.2.0" in note
    assert machine_notes(facts().machine, facts().machine) == ()
    other = MachineFacts(packages_sha256="0" * 64, libraries={"python": "3.12.0"}, hardware={"cores": "8"})
    libraries, machine = machine_notes(facts().machine, other)
    assert "python 3.12.0 (then 3.11.7)" in libraries and "torch not installed (then 2.13.0)" in libraries
    assert "cores 8 (then 2)" in machine


def test_a_lineage_leads_from_images_and_code_to_the_gate() -> None:
    first, second = lineage_of(facts(), None, None), lineage_of(facts(), 2, Word("rejected", "Anna", "no", "2026"))
    reached = {"gate"}
    for _ in first.nodes:
        reached |= {before for before, after in first.edges if after in reached}
    assert reached == set(first.nodes)
    assert set(second.nodes) - set(first.nodes) == {"champion", "person"}
    places = [(node.column, node.row) for node in second.nodes.values()]
    assert len(places) == len(set(places))


def test_module_digests_name_what_is_installed() -> None:
    from ganops.provenance.machine import installed_packages, modules

    assert {"gate.py", "training/loop.py", "reports/audit.html.j2"} <= set(modules())
    assert digest_json(modules()) == digest_json(dict(sorted(modules().items())))
    assert installed_packages()["numpy"]
