from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganops.bench import evaluate_frechet, evaluate_neighbours
from ganops.bench.evaluate import PARTS, bench_evaluation
from ganops.bench.evaluate_frechet import frechet_rows
from ganops.bench.evaluate_neighbours import full_matrices
from ganops.bench.rows import NO_TARGET, Row, Target, in_turns
from ganops.commands import bench
from ganops.errors import DamagedFile, UnknownName
from ganops.evaluation.manifold import ManifoldReference, manifold, manifold_values


@pytest.mark.parametrize(
    ("target", "difference", "verdict"),
    [
        (NO_TARGET, None, "no target"),
        (Target(at_most=2.0), None, "met"),
        (Target(at_most=1.9), None, "missed"),
        (Target(ratio=5.0), None, "met"),
        (Target(ratio=5.1), None, "missed"),
        (Target(ratio=5.0, difference=1e-3), 9e-4, "met"),
        (Target(ratio=5.0, difference=1e-3), 1.1e-3, "missed"),
        (Target(ratio=5.0, difference=1e-3), None, "missed"),
    ],
)
def test_a_target_is_met_in_all_that_it_asks_for(target: Target, difference: float | None, verdict: str) -> None:
    assert Row("part", "a", "b", ours=2.0, theirs=10.0, target=target, difference=difference).verdict == verdict
    assert Row("part", "a", "b", target=target, note="no GPU").verdict == "not measured"


def test_images_per_second_are_better_when_they_are_more() -> None:
    assert Row("part", "a", "b", unit="images/s", ours=30.0, theirs=10.0).ratio == 3.0
    assert Row("part", "a", "b", unit="s", ours=30.0, theirs=60.0).ratio == 2.0


def test_everyone_has_a_turn_before_anyone_has_two() -> None:
    done: list[str] = []
    first, second = in_turns([lambda: done.append("a") or len(done), lambda: done.append("b") or len(done)], 3)
    assert done == ["a", "b"] * 3
    assert (first.result, second.result) == (5, 6) and first.seconds > 0


def test_the_frechet_rows_agree_with_the_usual_ways() -> None:
    rows = list(frechet_rows(1, counts=(16, 60), dimensions=24))
    assert [row.name for row in rows if row.reference == evaluate_frechet.SQRTM] == [
        "from features, N = 16",
        "from two FeatureStats, N = 16",
        "from two FeatureStats, N = 60",
    ]
    assert sum("accumulated" in row.name for row in rows) == 2
    for row in rows:
        if row.reference:
            assert row.verdict == "met" and row.difference is not None
            assert row.difference < (1e-10 if "60" in row.name else 1e-5)  # singular: the usual ways are less exact


def test_without_scipy_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_frechet, "find_spec", lambda name: None)
    row = next(frechet_rows(1, counts=(40,), dimensions=8))
    assert row.theirs is None and row.ratio is None and "scipy is not installed" in row.note


def test_full_matrices_have_the_blocks_values() -> None:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((50, 6)), random.standard_normal((70, 6)) + 0.3
    expected = full_matrices(torch.from_numpy(x), torch.from_numpy(y), 5)
    reference = ManifoldReference.of(y)
    found = manifold_values(x, reference)
    whole = manifold(x, reference)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value > 0 and found[name] == pytest.approx(value, abs=1e-12)
        assert getattr(whole, name).value == found[name]


def test_only_the_parts_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        evaluate_neighbours, "neighbour_rows", lambda turns: iter([Row("neighbours", "a", "b", ours=1.0)])
    )
    notes: list[str] = []
    rows = bench_evaluation(1, parts=["neighbours"], progress=lambda done, total, note: notes.append(note))
    assert [row.part for row in rows] == ["neighbours"] and notes == ["neighbours: a", "done"]
    assert "neighbours" in PARTS


def test_a_part_that_there_is_not_is_named() -> None:
    with pytest.raises(UnknownName, match=r"'fid' is not among .*: frechet, inception, neighbours, cache"):
        bench.evaluate(["fid"], 1, None, 1, json=False)


def test_weights_that_are_not_published_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(b"weights")
    with pytest.raises(DamagedFile, match="not the published Inception network"):
        bench_evaluation(1, tmp_path / "other.pth", ["inception"])
