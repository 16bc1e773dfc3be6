from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ganops.errors import DamagedFile
from ganops.ports import ModelVersion
from ganops.provenance.journal import Event, Journal
from ganops.stages.agreement import require_agreement


def version(number: int, sha256: str = "a", tags: Mapping[str, str] | None = None) -> ModelVersion:
    return ModelVersion("generator", number, sha256, "Staging", (), tags or {}, "run")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal")
    journal.append("registered", 1, "best", {"model": "generator", "snapshot": "a"})
    journal.append("promoted", 1, "first", {"model": "generator"})
    journal.append("registered", 2, "best", {"model": "generator", "snapshot": "b"})
    return journal


ONE, TWO = version(1, "a", {"ganops.decision": "promoted"}), version(2, "b")


def refused(journal: Journal, *versions: ModelVersion) -> str:
    with pytest.raises(DamagedFile) as raised:
        require_agreement(journal, versions, "generator", "/w/mlflow.db")
    assert str(journal.path) in str(raised.value) and "/w/mlflow.db" in str(raised.value)
    return str(raised.value)


def test_what_a_run_leaves_agrees_wherever_it_was_killed(journal: Journal) -> None:
    require_agreement(journal, (TWO, ONE), "generator", "")
    require_agreement(journal, (version(3, "c"), TWO, ONE), "generator", "")  # registered, not entered yet
    journal.append("kept-champion", 2, "not better", {"model": "generator"})
    require_agreement(journal, (TWO, ONE), "generator", "")  # entered, not tagged yet
    require_agreement(Journal(journal.folder / "none"), (), "generator", "")


def test_a_registry_that_was_lost_or_replaced_is_noticed(journal: Journal) -> None:
    assert "version 1 of the model generator was promoted" in refused(journal)
    assert "version 2 of the model generator was registered" in refused(journal, ONE)
    assert "version 2" in refused(journal, version(2, "another"), ONE)


def test_old_versions_may_be_deleted(journal: Journal) -> None:
    journal.append("promoted", 2, "better", {"model": "generator"})
    require_agreement(journal, (TWO,), "generator", "")


def test_a_journal_whose_end_was_cut_off_is_noticed(journal: Journal) -> None:
    path = journal.folder / "journal.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    assert "version 1 of the model generator was decided on (promoted)" in refused(journal, TWO, ONE)
    path.unlink()
    assert "git checkout journal" in refused(journal, TWO, ONE)


def test_a_rollback_is_a_line_on_where_it_went_and_tags_on_both(journal: Journal) -> None:
    journal.append("promoted", 2, "better", {"model": "generator", "snapshot": "b"})
    journal.append("rolled-back", 1, "bad hands", {"model": "generator", "snapshot": "a", "from": 2, "to": 1})
    gone_back = version(2, "b", {"ganops.decision": "rolled-back"})
    restored = version(1, "a", {"ganops.decision": "restored"})
    for back in (ONE, restored):
        require_agreement(journal, (gone_back, back), "generator", "")
    assert "version 2" in refused(journal, version(2, "b", {"ganops.decision": "restored"}), restored)
    assert "version 1 of the model generator was rolled-back" in refused(journal, gone_back)
    assert "version 3" in refused(journal, version(3, "c", {"ganops.decision": "rolled-back"}), gone_back, ONE)


def test_what_another_workspace_decided_is_not_missed_here(journal: Journal) -> None:
    theirs = version(3, "c", {"ganops.decision": "promoted", "ganops.decided_by": "elsewhere"})
    require_agreement(journal, (theirs, TWO, ONE), "generator", "", "here")
    ours = version(3, "c", {"ganops.decision": "promoted", "ganops.decided_by": "here"})
    with pytest.raises(DamagedFile, match="version 3"):
        require_agreement(journal, (ours, TWO, ONE), "generator", "", "here")


@pytest.mark.parametrize("event", ["pending", "kept-champion", "rejected"])
def test_every_decision_has_its_line(journal: Journal, event: Event) -> None:
    decided = version(2, "b", {"ganops.decision": event})
    assert f"was decided on ({event})" in refused(journal, decided, ONE)
    journal.append(event, 2, "why", {"model": "generator"})
    require_agreement(journal, (decided, ONE), "generator", "")


def test_another_model_has_a_history_of_its_own(journal: Journal) -> None:
    require_agreement(journal, (), "another", "")
