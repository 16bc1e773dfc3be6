"""What commands print."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import ganops.stages.score as measuring
from ganops.commands import scoring
from ganops.commands.data import _print_addition
from ganops.data.raw_store import AddReport
from ganops.errors import RunStopped
from ganops.stages.score_cache import Cache


@pytest.mark.parametrize(("taken", "labels", "warned"), [(3, {}, True), (3, {"a": 1}, False), (0, {}, False)])
def test_adding_images_without_labels_says_what_will_come_of_it(
    capsys: pytest.CaptureFixture[str], taken: int, labels: dict[str, int], warned: bool
) -> None:
    _print_addition(AddReport("flat", taken, 0, (), 0, (), 10, labels, {"8x8": taken}, 1, {"L": taken}, {}))
    lines = [line for line in capsys.readouterr().out.splitlines() if "None of these has a label" in line]
    assert len(lines) == warned and all("`ganops init`" in line for line in lines)


@pytest.mark.parametrize(("keep", "said"), [(True, "are in the cache"), (False, "the same command begins anew")])
def test_whoever_stops_a_score_is_told_what_is_kept_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool, said: str
) -> None:
    def stop(*arguments: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "score", stop)
    with pytest.raises(RunStopped, match=said):
        scoring.score(tmp_path, None, keep=keep, json=True, a="a", b="b")


def test_the_same_remark_of_the_cache_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANOPS_CACHE", str(tmp_path / "file" / "cache"))

    def measure(request: object, registries: object, own: object, cache: Cache, observe: object) -> Any:
        for number in range(3):
            cache.recall({"thing": number}, lambda: {"x": np.zeros(1)})
        return SimpleNamespace(to_json=dict)

    monkeypatch.setattr(measuring, "score", measure)
    scoring.score(tmp_path, None, keep=True, json=True, a="a", b="b")
    remarks = capsys.readouterr().err.splitlines()
    assert len(remarks) == len(set(remarks)) and sum("cannot be written" in remark for remark in remarks) == 1
