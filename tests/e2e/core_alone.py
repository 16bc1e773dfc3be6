"""Run by test_core_alone.py with `python -I -S`: judge, train, evaluate and decide, with what lies in one folder.

    python -I -S core_alone.py SITE WORKSPACE MODULE…

SITE is all that can be imported from beside the standard library; each MODULE must not be there.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

SITE, WORKSPACE, *ABSENT = sys.argv[1:]
sys.path.append(SITE)

import numpy as np  # noqa: E402

from ganops.config import parse  # noqa: E402
from ganops.data.prepared import write_dataset  # noqa: E402
from ganops.data.split import Split  # noqa: E402
from ganops.evaluation.compare import compare, comparison_seed  # noqa: E402
from ganops.evaluation.extractors import load_extractor  # noqa: E402
from ganops.evaluation.reference import test_reference  # noqa: E402
from ganops.evaluation.sample import Sample, read_training_images, take_sample  # noqa: E402
from ganops.gate import decide  # noqa: E402
from ganops.layout import Layout  # noqa: E402
from ganops.models import load_snapshot  # noqa: E402
from ganops.stages.evaluate import evaluate  # noqa: E402
from ganops.stages.reference import reference  # noqa: E402
from ganops.stages.train import train  # noqa: E402

CORE = ("models", "training", "evaluation", "gate", "data", "config", "files", "errors")
COUNTS: dict[Split, int] = {"train": 200, "select": 120, "test": 120}
PARAMS = {
    "reference": {"features": 16, "batch_size": 32, "epochs": 1},
    "train": {"device": "cpu", "batch_size": 8, "evaluate_images": 100, "evaluate_every_kimg": 0.1},
    "evaluate": {"num_images": 200},
    "candidates": {
        "champion": {"family": "dcgan", "objective": "non_saturating", "kimg": 0.1, "width": 4, "z_dim": 4},
        "challenger": {"family": "lite", "objective": "relativistic", "gamma": 1.0, "kimg": 0.2, "width": 4},
    },
}


def import_all(name: str) -> None:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
        importlib.import_module(module.name)


def prepare(layout: Layout) -> None:
    """Dark and bright images, as `ganops prepare` leaves them."""
    random = np.random.default_rng(0)
    for name, count in COUNTS.items():
        folder = layout.prepared / name
        folder.mkdir(parents=True)
        labels = random.integers(0, 2, count)
        images = random.integers(0, 120, (count, 1, 8, 8)) + 120 * labels[:, None, None, None]
        np.save(folder / "images.npy", images.astype(np.uint8))
        np.save(folder / "labels.npy", labels)
        np.save(folder / "ids.npy", random.integers(0, 256, (count, 32), dtype=np.uint8))
    write_dataset(layout.prepared, (1, 8, 8), ["dark", "bright"], COUNTS, {}, "p@1")


def main() -> None:
    for name in CORE:
        import_all(f"ganops.{name}")

    layout, config = Layout(Path(WORKSPACE)), parse(PARAMS)
    prepare(layout)
    reference(layout, config)
    for candidate in config.candidates:
        train(layout, config, candidate, "code")
        evaluate(layout, config, candidate)

    held_out, extractor = test_reference(layout.reference), load_extractor(layout.reference / "extractor")
    seed = comparison_seed("challenger", "champion", held_out.hash)

    def sample(candidate: str) -> Sample:
        folder = layout.snapshot(candidate)
        snapshot = load_snapshot(folder)
        return take_sample(snapshot, read_training_images(folder, snapshot), extractor, held_out, 200, seed)

    print(decide(compare(sample("challenger"), sample("champion"), held_out), config.gate, attempt=1).sentence)
    for name in ABSENT:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        sys.exit(f"{name} can be imported, so that this shows nothing")


main()
