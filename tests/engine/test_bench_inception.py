"""The evaluation benchmark's rows of the whole Inception network."""

from __future__ import annotations

import json

import pytest
import torch
from rich.console import Console

from ganops.bench import evaluate_neighbours
from ganops.bench.evaluate_cache import cache_rows
from ganops.bench.evaluate_forward import WAYS, inception_rows, noise, quick, random_network, straightforward
from ganops.bench.evaluate_neighbours import neighbour_rows
from ganops.bench.rows import Row
from ganops.reports.bench_evaluate import print_evaluation_bench


@pytest.fixture(scope="module")
def table() -> list[Row]:
    return [
        *inception_rows(1, None, ways=(WAYS[0], WAYS[-1]), images=2),
        *neighbour_rows(1, images=60, dimensions=8),
        *cache_rows(1, images=2),
    ]


def test_every_row_is_measured_or_says_why_not(table: list[Row]) -> None:
    measured = {(row.name, row.device) for row in table if row.ours is not None}
    assert ("forward in float32", "cpu") in measured
    for row in table:
        if row.ours is None:
            assert row.verdict == "not measured" and row.note
        else:
            assert row.theirs and row.ratio and row.difference is not None
    if not torch.cuda.is_available():
        assert {row.note for row in table if row.device == "cuda"} == {"no GPU"}
    by_name = {row.name: row for row in table if row.device == "cpu"}
    assert by_name["forward in float32"].difference < 1e-4
    (neighbours,) = (row for row in table if row.part == evaluate_neighbours.PART)
    assert neighbours.difference == 0
    assert neighbours.peak_mb and neighbours.reference_peak_mb and neighbours.peak_mb > 10
    (cache,) = (row for row in table if row.part == "cache")
    assert cache.difference == 0


def test_the_table_shows_what_was_measured_and_names_the_rest(table: list[Row]) -> None:
    found = [row.to_json() for row in table]
    assert json.loads(json.dumps(found, allow_nan=False))[0]["target"] == {
        "at_most": None,
        "ratio": 1.5,
        "difference": None,
    }
    console = Console(record=True, width=200)
    print_evaluation_bench(console, "a test", found)
    text = console.export_text()
    assert "forward in float32" in text and "1.5x" in text and "full distance matrices" in text
    if not torch.cuda.is_available():
        assert "Inception, forward in float16, cuda (target 4x, 0.1% off): not measured: no GPU." in text


def test_both_ways_through_the_network_see_the_same() -> None:
    network, images = random_network(), noise(3, 256)
    expected = straightforward(network, images)
    torch.testing.assert_close(quick(network.for_inference(), images), expected, rtol=1e-4, atol=1e-4)
    assert expected.shape == (3, 2048)
