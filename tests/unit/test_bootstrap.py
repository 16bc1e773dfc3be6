from __future__ import annotations

from pathlib import Path

import pytest

from ganops import bootstrap, workspace
from ganops.config import MAX_SEED
from ganops.errors import UserError, WorkspaceError
from ganops.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return workspace.create(tmp_path / "mine")


def test_a_run_that_is_refused_changes_nothing(layout: Layout) -> None:
    before = layout.params.read_bytes()
    refused = pytest.raises(WorkspaceError, match="There is no data yet")
    with refused, bootstrap.running(layout.root, "always", None):
        pytest.fail("a run without data")
    assert layout.params.read_bytes() == before


def test_a_fresh_seed_is_written_down_and_after_the_last_comes_the_first(layout: Layout) -> None:
    found = workspace.load(layout)
    assert bootstrap.reseeded(found, "changed", None) is found
    assert bootstrap.reseeded(found, "always", None).config.seed == 1
    assert workspace.load(layout).config.seed == 1
    last = bootstrap.reseeded(found, "changed", MAX_SEED)
    assert last.config.seed == MAX_SEED
    assert bootstrap.reseeded(last, "always", None).config.seed == 0


@pytest.mark.parametrize("content", [None, ") garbage", "nonsense", "\0", "retrain = 3", "raise SystemError('x')"])
def test_a_flow_that_is_gone_or_broken_is_named_with_how_to_get_it_back(layout: Layout, content: str | None) -> None:
    path = layout.root / "flows" / "retrain.py"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError) as raised:
        bootstrap._load_flow(layout)
    assert str(path) in str(raised.value) and "git checkout flows/retrain.py" in str(raised.value)
