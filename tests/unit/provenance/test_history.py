from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganops.provenance.history import history_findings
from ganops.provenance.journal import Entry, Journal

GATE = {"gate": "promote", "pair": "ab", "evidence": "e"}


def changed(journal: Journal, kind: Any, version: int, **details: Any) -> Entry:
    """A change of champion as it is written: announced, then answered."""
    intent = journal.append("intended", version, "why", {**details, "kind": kind, "to": version})
    return journal.append(kind, version, "why", {**intent.details, "intent": intent.digest})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Two promotions, of which a person had the word on one; a rejection, and a way back."""
    journal = Journal(tmp_path, "anna")
    for version in (1, 2, 3):
        journal.append("registered", version, "made", {})
    changed(journal, "promoted", 1, **GATE)
    asked = journal.append("pending", 2, "waits", GATE)
    approved = journal.append("approved", 2, "better hands", {**GATE, "asked": asked.digest})
    changed(journal, "promoted", 2, **GATE, asked=asked.digest, approved=approved.digest)
    asked = journal.append("pending", 3, "waits", GATE)
    journal.append("rejected", 3, "worse hands", {**GATE, "asked": asked.digest})
    changed(journal, "rolled-back", 1)
    return journal


def said(journal: Journal, *others: int) -> list[str]:
    entries = journal.entries()
    return [
        finding.sentence.split(") ", 1)[1]
        for finding in history_findings(entries, range(1, 1 + len(entries)), frozenset(others))
    ]


def test_what_was_written_by_ganops_follows_from_itself(journal: Journal) -> None:
    assert said(journal) == []


FORGERIES: list[tuple[Callable[[Journal], object], str]] = [
    (lambda journal: journal.append("blessed", 1, "by the pope", {}), "is of a kind that there is not"),  # type: ignore[arg-type]
    (lambda journal: journal.append("approved", 3, "fine", {"by": "Bob"}), "is a person's word that no line"),
    (lambda journal: journal.append("promoted", 3, "fine", GATE), "was announced by no line"),
    (lambda journal: changed(journal, "promoted", 3), "does not say what the gate said"),
    (lambda journal: changed(journal, "promoted", 3, **GATE, approved="0" * 64), "names an approval that no line"),
    (lambda journal: changed(journal, "rolled-back", 3), "goes back to a version that never was the champion"),
]


@pytest.mark.parametrize(("forge", "words"), FORGERIES, ids=[words for _, words in FORGERIES])
def test_a_line_that_follows_from_nothing_is_found(
    journal: Journal, forge: Callable[[Journal], object], words: str
) -> None:
    forge(journal)
    (sentence,) = said(journal)
    assert sentence.startswith(words)


def test_an_answer_that_is_not_what_was_announced_is_found(journal: Journal) -> None:
    intent = journal.append("intended", 3, "why", {**GATE, "kind": "promoted", "gate": "keep"})
    journal.append("promoted", 3, "why", {**intent.details, "gate": "promote", "intent": intent.digest})
    assert len(said(journal)) == 1


def test_another_workspace_may_have_made_it_the_champion(journal: Journal) -> None:
    changed(journal, "rolled-back", 3)
    assert said(journal, 3) == []
