from __future__ import annotations

from pathlib import Path

import pytest

from ganops.errors import DamagedFile
from ganops.provenance.journal import Journal
from ganops.stages import promote as stage


@pytest.mark.parametrize("evidence", [{}, {"comparison": {}}, {"comparison": {"format": 1}, "decision": []}])
def test_a_stored_decision_that_cannot_be_read_is_named(tmp_path: Path, evidence: dict[str, object]) -> None:
    journal = Journal(tmp_path)
    journal.store("decisions", "ab12", evidence)
    with pytest.raises(DamagedFile, match=r"ab12.json .*git checkout journal"):
        stage.stored_decision(journal, "ab12")


def test_a_stored_comparison_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.store("comparisons", "ab12", {"format": 1})
    with pytest.raises(DamagedFile, match=r"comparisons/ab12.json .*git checkout journal"):
        stage._stored_comparison(journal, "ab12")
