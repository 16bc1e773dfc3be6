"""`python -m benchmarks.vanishing`: the generator's gradient under each objective, on real digits; draws docs/images.

Equal networks, data, seed and learning rates; the generator all but stands still while the discriminator learns and
wins (the experiment of Arjovsky & Bottou 2017, figure 2). Nothing but the objective differs, and, in the last row,
R1 and R2.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from sklearn.datasets import load_digits
from torch import Tensor

from ganops.config import CandidateConfig, TrainConfig
from ganops.models import Generator, family_spec
from ganops.training.checkpoint import CheckpointStore
from ganops.training.guard import Evaluation
from ganops.training.loop import train

FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "vanishing-gradients.png"
KIMG, SEEDS = 20, (0, 1, 2)
COMMON = {"family": "lite", "kimg": KIMG, "width": 16, "z_dim": 32, "generator_lr": 1e-7, "discriminator_lr": 1e-3}
ROWS: Mapping[str, dict[str, Any]] = {
    "minimax (saturating)": {"objective": "minimax"},
    "non-saturating": {"objective": "non_saturating"},
    "least squares": {"objective": "least_squares"},
    "hinge": {"objective": "hinge"},
    "relativistic": {"objective": "relativistic"},
    "minimax with R1 + R2, γ 0.3": {"objective": "minimax", "gamma": 0.3},
}


class _Lines:
    """Keeps the lines of one training."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []

    def begin(self, lines: list[dict[str, Any]]) -> None:
        self.lines = list(lines)

    def line(self, line: Mapping[str, Any]) -> None:
        self.lines.append(line)

    def samples(self, images_seen: int, images_u8: Tensor) -> None:
        """Not looked at here."""


def main() -> None:
    images_u8 = (load_digits().images * (255 / 16)).round().astype(np.uint8)[:, None]
    config = TrainConfig(device="cpu", precision="float32", batch_size=64, evaluate_every_kimg=KIMG)
    config = config.model_copy(update={"guard": config.guard.model_copy(update={"vanished": 0.0})})  # let it vanish
    pyplot.figure(figsize=(8, 4.2), dpi=110)
    print(f"{'objective':30} {'norm, first 10 %':>18} {'norm, last 10 %':>18} {'D(x) - D(G(z))':>16}")
    for name, keys in ROWS.items():
        candidate = CandidateConfig.model_validate({**COMMON, **keys})
        lines = [_trained(images_u8, candidate, config, seed) for seed in SEEDS]
        kimg = [line["kimg"] for line in lines[0]]
        norms = np.median([[line["grad_norm_generator"] for line in course] for course in lines], axis=0)
        gaps = np.median([[line["real_logit"] - line["fake_logit"] for line in course] for course in lines], axis=0)
        tenth = len(norms) // 10
        print(f"{name:30} {np.median(norms[:tenth]):18.2e} {np.median(norms[-tenth:]):18.2e} {gaps[-1]:16.1f}")
        pyplot.semilogy(kimg, norms, label=name, linewidth=2.4 if name.startswith("minimax (") else 1.4)
    pyplot.xlabel("real images shown, in thousands")
    pyplot.ylabel("gradient norm of the generator")
    pyplot.grid(alpha=0.3)
    pyplot.legend(fontsize=8, ncols=2)
    pyplot.tight_layout()
    pyplot.savefig(FIGURE, metadata={"Software": None})


def _trained(
    images_u8: np.ndarray[Any, np.dtype[np.uint8]], candidate: CandidateConfig, config: TrainConfig, seed: int
) -> list[Mapping[str, Any]]:
    def score(generator: Generator) -> Evaluation:  # noqa: ARG001 - nothing is chosen here
        return Evaluation(0.0, 1.0)

    spec = family_spec(candidate.family, (1, 8, 8), candidate.width, candidate.z_dim)
    observer = _Lines()
    with tempfile.TemporaryDirectory() as folder:
        train(images_u8, spec, candidate, config, seed, score, CheckpointStore(Path(folder)), observer)
    return observer.lines


if __name__ == "__main__":
    main()
