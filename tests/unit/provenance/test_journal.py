from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ganops.errors import DamagedFile, WorkspaceError
from ganops.files import canonical_json, digest_json
from ganops.provenance.journal import Journal


def filled(folder: Path) -> Journal:
    journal = Journal(folder / "journal")
    journal.append("registered", 1, "lowest distance", {"candidate": "lite"})
    journal.append("promoted", 1, "first", {"reference": "r", "champion": None, "challenger": "a"})
    journal.append("kept-champion", 2, "not better", {"reference": "r", "champion": "a", "challenger": "b"})
    return journal


def test_events_come_back_in_order(tmp_path: Path) -> None:
    entries = filled(tmp_path).entries()
    assert [(entry.event, entry.version) for entry in entries] == [
        ("registered", 1),
        ("promoted", 1),
        ("kept-champion", 2),
    ]
    assert entries[1].previous == entries[0].digest


@pytest.mark.parametrize("damage", ["edit", "remove", "reorder", "rubbish", "nesting"])
def test_a_changed_journal_is_refused_and_the_line_named(tmp_path: Path, damage: str) -> None:
    journal = filled(tmp_path)
    path = journal.folder / "journal.jsonl"
    lines = path.read_text().splitlines()
    if damage == "edit":
        event = json.loads(lines[1]) | {"reason": "because I say so"}
        lines[1] = json.dumps(event)
    elif damage == "remove":
        del lines[1]
    elif damage == "reorder":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines[1] = "{" if damage == "rubbish" else "[" * 100_000
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DamagedFile, match=r"Line 2 of .*journal.jsonl .*git checkout journal"):
        journal.entries()


def test_bytes_that_are_no_text_and_half_a_line_are_damage_too(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    path = journal.folder / "journal.jsonl"
    whole = path.read_bytes()
    for damaged in (whole + b"\xff\xfe\n", whole + whole[:40], whole.replace(b"first", b"fir\xff\xfe")):
        path.write_bytes(damaged)
        with pytest.raises(DamagedFile, match=r"Line [24] of"):
            journal.entries()
    path.write_bytes(whole.removesuffix(b"\n"))
    with pytest.raises(DamagedFile, match="Line 3 of"):
        journal.append("registered", 3, "would be written on the same line", {})


def test_a_reason_may_hold_any_character(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("registered", 1, "line\u2028separator, \x85, \n and \r", {})
    assert [entry.version for entry in journal.entries()] == [1]


def test_a_journal_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(DamagedFile, match=r"journal.jsonl cannot be read: Is a directory"):
        Journal(tmp_path).entries()
    with pytest.raises(WorkspaceError, match=r"journal.jsonl cannot be written: Is a directory"):
        Journal(tmp_path).append("registered", 1, "", {})


def test_attempts_count_challengers_against_a_champion_on_one_reference(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    assert journal.attempts("r") == 1, "the first promotion had no champion to be tested against"
    journal.append("kept-champion", 2, "again", {"reference": "r", "champion": "a", "challenger": "b"})
    assert journal.attempts("r") == 1, "the same challenger asked twice is one try"
    journal.append("kept-champion", 3, "not better", {"reference": "r", "champion": "a", "challenger": "c"})
    assert (journal.attempts("r"), journal.attempts("other")) == (2, 0)


def test_a_challenger_tried_against_two_champions_is_two_tries(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    journal.append("kept-champion", 2, "again", {"reference": "r", "champion": "other", "challenger": "b"})
    assert journal.attempts("r") == 2


def test_a_comparison_and_a_decision_are_stored_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.comparison("ab12") is None and journal.decision("ab12") is None
    journal.store("comparisons", "ab12", {"gain": 1})
    assert journal.comparison("ab12") == {"gain": 1} and journal.decision("ab12") is None
    journal.store("decisions", "ab12", {"promote": False})
    assert journal.decision("ab12") == {"promote": False} and journal.decided_pairs() == ("ab12",)
    for folder in ("comparisons", "decisions"):
        with pytest.raises(AssertionError):
            journal.store(folder, "ab12", {"promote": True})


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[]", b'{"promote": true}', b'{"promote": NaN}'])
def test_a_stored_decision_that_was_changed_is_refused(tmp_path: Path, content: bytes) -> None:
    journal = Journal(tmp_path)
    evidence = journal.store("decisions", "ab12", {"promote": False})
    journal.append("kept-champion", 2, "not better", {"pair": "ab12", "evidence": evidence})
    path = tmp_path / "decisions" / "ab12.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"ab12.json .*git checkout"):
        journal.decision("ab12")


def test_lines_of_before_actors_were_written_down_still_chain(tmp_path: Path) -> None:
    body = {"time": "2026-01-31T02:14:09+00:00", "event": "promoted", "version": 1, "reason": "first", "details": {}}
    line = {**body, "previous": "0" * 64}
    line["digest"] = digest_json(line)
    (tmp_path / "journal.jsonl").write_bytes(canonical_json(line) + b"\n")
    journal = Journal(tmp_path, "ada")
    journal.append("kept-champion", 2, "not better", {})
    assert [entry.actor for entry in journal.entries()] == ["", "ada"]


def test_a_change_is_open_until_it_is_answered_or_taken_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.open_intent("m") is None
    one = journal.append("intended", 1, "better", {"model": "m", "workspace": "here"})
    assert journal.open_intent("m") == one and journal.open_intent("other") is None
    assert journal.open_intent("m", "elsewhere") is None, "a clone leaves it to the workspace that it comes from"
    journal.append("promoted", 1, "better", {"model": "m", "intent": one.digest})
    assert journal.open_intent("m") is None
    two = journal.append("intended", 2, "better", {"model": "m"})
    back = journal.append("intended", 2, "taken back", {"model": "m", "undoes": two.digest})
    assert journal.open_intent("m") == back
    journal.append("undone", 2, "taken back", {"model": "m", "intent": back.digest, "undoes": two.digest})
    assert journal.open_intent("m") is None


def test_damage_is_seen_in_what_was_read_whole_before(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    head = journal.head()
    assert (head.count, head.digest) == (3, journal.entries()[-1].digest)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole.replace(b"lowest", b"LOWEST"))
    with pytest.raises(DamagedFile, match="Line 1"):
        journal.entries()
    journal.path.write_bytes(whole)
    assert journal.head() == head


def test_writers_at_once_keep_the_chain(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ganops.provenance.journal import Journal\n"
        "for _ in range(5):\n"
        "    Journal(Path(sys.argv[1])).append('registered', int(sys.argv[2]), 'race', {})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)]) for number in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(Journal(tmp_path).entries()) == 15
