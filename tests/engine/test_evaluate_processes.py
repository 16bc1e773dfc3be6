"""The evaluate stage in several processes, which import torch anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from to_evaluate import save, workspace_to_evaluate

from ganops.config import Config, parse
from ganops.errors import IncomparableReports
from ganops.layout import Layout
from ganops.models import ModelSpec
from ganops.stages.evaluate import evaluate

pytestmark = pytest.mark.slow


def config_of(**settings: object) -> Config:
    candidate = {"family": "lite", "objective": "non_saturating"}
    return parse({"evaluate": {"num_images": 300, "device": "cpu", **settings}, "candidates": {"a": candidate}})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return workspace_to_evaluate(tmp_path)


def test_two_processes_write_what_one_writes(layout: Layout) -> None:
    notes: list[tuple[int, int]] = []
    one = evaluate(layout, config_of(), "a")
    features = np.load(layout.evaluate_dir("a") / "features.npy")
    two = evaluate(layout, config_of(processes=2), "a", lambda done, total, note: notes.append((done, total)))
    assert two.to_json() == one.to_json()
    assert np.array_equal(np.load(layout.evaluate_dir("a") / "features.npy"), features)
    assert notes[-1] == (256, 256)  # of the first process's share: a batch


def test_what_a_process_refuses_is_refused_as_by_one(layout: Layout) -> None:
    save(layout, "a", ModelSpec("lite", (1, 9, 9), z_dim=8, width=4))
    for processes in (1, 2):
        with pytest.raises(IncomparableReports, match="image shape differs"):
            evaluate(layout, config_of(processes=processes), "a")
