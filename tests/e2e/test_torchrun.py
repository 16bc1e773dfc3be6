"""One candidate in several processes: the same training, and nothing hangs or is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ranks_run import STEPS, stored, trained

pytestmark = pytest.mark.slow

FIGURES = ("loss_generator", "loss_discriminator", "gradient_penalty", "real_logit", "fake_logit", "fd")
NORMS = ("grad_norm_generator", "grad_norm_discriminator", "weight_norm_generator", "weight_norm_discriminator")


def assert_equal_to_rounding(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert [line["images_seen"] for line in one] == [line["images_seen"] for line in other]
    for ours, theirs in zip(one, other, strict=True):
        for name in (*FIGURES, *NORMS):
            assert ours[name] == (None if theirs[name] is None else pytest.approx(theirs[name], rel=1e-10, abs=1e-10))


def assert_same_state(one: Path, other: Path) -> None:
    ours, theirs = stored(one), stored(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype
        torch.testing.assert_close(
            tensor, theirs[name], rtol=1e-10, atol=1e-10, msg=lambda m, name=name: f"{name}: {m}"
        )


@pytest.mark.parametrize("recipe", ["lite", "everything", "dcgan", "sgd", "spectral"])
def test_two_processes_train_as_one_does(tmp_path: Path, recipe: str) -> None:
    """R1 and R2 on relativistic pairs with noise; GP with classes, augmentation and mixed batches; batch norm in both
    players under Adam and SGD; spectral norm with three discriminator steps: in float64, to 1e-10.
    """
    (alone,) = trained(tmp_path / "one", recipe, 1)
    first, second = trained(tmp_path / "two", recipe, 2)
    assert len(alone["lines"]) == STEPS > 20
    assert_equal_to_rounding(first["lines"], alone["lines"])
    assert_same_state(tmp_path / "two", tmp_path / "one")
    assert first["sha256"] == second["sha256"]


@pytest.mark.parametrize("recipe", ["lite", "dcgan"])
def test_another_number_of_processes_goes_on_where_one_ended(tmp_path: Path, recipe: str) -> None:
    """Two, one, two: the losses and weights of one process that was never interrupted, in float64, to 1e-10."""
    (alone,) = trained(tmp_path / "whole", recipe, 1)
    lines = []
    for processes, until_step in ((2, 8), (1, 16), (2, STEPS)):
        lines = trained(tmp_path / "parts", recipe, processes, until_step)[0]["lines"]
        assert len(lines) == until_step
    assert_equal_to_rounding(lines, alone["lines"])
    assert_same_state(tmp_path / "parts", tmp_path / "whole")
