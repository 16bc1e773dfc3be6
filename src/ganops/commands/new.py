"""The verbs that make a workspace: `init` and `demo`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganops import bootstrap
from ganops.commands import data, flow
from ganops.layout import Layout
from ganops.reports.terminal import say
from ganops.workspace import edit_params

DEMO_PARAMS: Mapping[str, Any] = {
    "train.evaluate_every_kimg": 40,
    "candidates.dcgan.kimg": 400,
    "candidates.dcgan.generator_lr": 2e-4,
    "candidates.dcgan.discriminator_lr": 2e-4,
    "candidates.lite.kimg": 240,
    "candidates.lite.gamma": 0.3,
    "candidates.lite.generator_lr": 1e-3,
    "candidates.lite.width": 32,
    "candidates.lite.ema_half_life_kimg": 8,
    "candidates.lite.burn_in.kimg": 0,
}
"""What the demo changes in a new workspace's params.yaml: digits are small, and so is the budget."""


def init(folder: Path) -> None:
    layout = bootstrap.create_workspace(folder)
    say(
        f"Made a workspace in {layout.root}. Next: `cd {folder}`, `ganops data add SOURCE`, `ganops run`. "
        "What can be changed is in params.yaml."
    )


def demo(folder: Path, json: bool) -> None:
    layout = Layout(folder.resolve())
    if not layout.params.exists():
        layout = bootstrap.create_workspace(folder)
        edit_params(layout, DEMO_PARAMS)
    data.add(layout.root, "digits", json=False, quiet=json)
    flow.run(layout.root, "changed", None, json, cd=folder)
