"""Every family on one data set and about the same budget, for docs/models.md.

From the checkout, with the workspace beside it:

ganops init ../nine && ganops -w ../nine data add …
python -m benchmarks.families params ../nine 1          # puts the nine candidates into params.yaml; 1: at full length
ganops -w ../nine run
python -m benchmarks.families picture ../nine families.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from PIL import Image, ImageDraw, ImageFont

ADAM = {"generator_lr": 2e-4, "discriminator_lr": 2e-4, "betas": [0.5, 0.999]}
CANDIDATES: dict[str, dict[str, Any]] = {
    "conv-flat": {"family": "conv_flat", "objective": "minimax", "width": 16, "kimg": 200.0, **ADAM},
    "dense-dcgan": {"family": "dense_dcgan", "objective": "non_saturating", "width": 32, "kimg": 150.0, **ADAM},
    "bn-conv-gan": {
        "family": "bn_conv_gan",
        "objective": "non_saturating",
        "width": 32,
        "kimg": 80.0,
        "optimizer": "sgd",
        "momentum": 0.9,
        "generator_lr": 2e-4,
        "discriminator_lr": 2e-4,
    },
    "rgan": {"family": "rgan", "objective": "non_saturating", "width": 16, "kimg": 80.0, **ADAM},
    "mlp-gan": {
        "family": "mlp_gan",
        "objective": "non_saturating",
        "width": 128,
        "kimg": 1000.0,
        "mixed_batch": True,
        **ADAM,
    },
    "dcgan": {
        "family": "dcgan",
        "objective": "non_saturating",
        "width": 32,
        "kimg": 500.0,
        "betas": [0.5, 0.999],
        "generator_lr": 1e-3,
        "discriminator_lr": 1e-3,
    },
    "sngan": {
        "family": "sngan",
        "objective": "hinge",
        "width": 16,
        "kimg": 150.0,
        "betas": [0.0, 0.9],
        "generator_lr": 2e-4,
        "discriminator_lr": 2e-4,
        "discriminator_steps": 5,
    },
    "lite": {
        "family": "lite",
        "objective": "relativistic",
        "gamma": 1.0,
        "width": 16,
        "kimg": 180.0,
        "instance_noise": 0.3,
        "generator_lr": 6e-4,
        "discriminator_lr": 3e-4,
        "betas": [0.0, 0.99],
        "ema_half_life_kimg": 5.0,
    },
    "r3gan": {
        "family": "r3gan",
        "objective": "relativistic",
        "gamma": 1.0,
        "width": 16,
        "kimg": 30.0,
        "generator_lr": 2e-4,
        "discriminator_lr": 2e-4,
        "betas": [0.0, 0.9],
        "ema_half_life_kimg": 2.0,
    },
}
"""Lengths come to about three minutes of one core each at 28×28, two for mlp_gan and conv_flat."""
ROWS, COLUMNS, SCALE, GAP, TITLE = 4, 8, 2, 16, 22


def write_params(workspace: Path, scale: float) -> None:
    """Put the nine candidates into the workspace's params.yaml, `scale` times as long."""
    path = workspace / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["candidates"] = {
        name: {**keys, "z_dim": 64, "kimg": scale * keys["kimg"]} for name, keys in CANDIDATES.items()
    }
    params["train"]["evaluate_every_kimg"] = 20.0 * scale
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def write_picture(workspace: Path, path: Path) -> None:
    """Samples of every family, best first, with its FD* on select."""
    scores = {name: _score(workspace, name) for name in CANDIDATES}
    grids = [(name, _grid(workspace, name)) for name in sorted(scores, key=lambda name: scores[name])]
    width, height = grids[0][1].size
    sheet = Image.new("RGB", (3 * width + 4 * GAP, 3 * (height + TITLE) + 4 * GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for index, (name, grid) in enumerate(grids):
        left, top = GAP + index % 3 * (width + GAP), GAP + index // 3 * (height + TITLE + GAP)
        draw.text((left, top), f"{CANDIDATES[name]['family']}   FD* {scores[name]:.1f}", "black", font)
        sheet.paste(grid, (left, top + TITLE))
    sheet.convert("L").save(path, optimize=True)


def _score(workspace: Path, name: str) -> float:
    report = json.loads((workspace / "data/candidates" / name / "evaluate/report.json").read_text(encoding="utf-8"))
    return float(report["metrics"]["fd_star"]["value"])


def _grid(workspace: Path, name: str) -> Image.Image:
    """The upper left corner of the sample grid."""
    with Image.open(workspace / "data/candidates" / name / "train/samples/final.png") as image:
        grid = image.convert("L")
    side = grid.width // 8
    corner = grid.crop((0, 0, COLUMNS * side, ROWS * side))
    return corner if corner.width >= 300 else corner.resize((corner.width * SCALE, corner.height * SCALE), 0)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["params", workspace, scale]:
            write_params(Path(workspace), float(scale))
        case ["picture", workspace, path]:
            write_picture(Path(workspace), Path(path))
        case _:
            sys.exit(__doc__)
