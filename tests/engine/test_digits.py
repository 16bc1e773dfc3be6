"""The real digits that scikit-learn brings along: read, and trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from training_run import Recorder

from ganops.config import CandidateConfig, TrainConfig
from ganops.data.sources import RawImage, open_source
from ganops.models import Generator, ModelSpec, generate
from ganops.training import loop
from ganops.training.checkpoint import CheckpointStore
from ganops.training.guard import Evaluation


def test_the_source_has_every_digit() -> None:
    items = list(open_source("digits"))
    assert len(items) == 1797
    assert {item.label for item in items if isinstance(item, RawImage)} == set("0123456789")


class _Unseeing(Recorder):
    """Follows a training of images of any size."""

    def samples(self, images_seen: int, images_u8: torch.Tensor) -> None:
        self.samples_at.append(images_seen)


def test_a_healthy_training_on_real_digits_is_never_stopped(tmp_path: Path) -> None:
    digits = (load_digits().images * (255 / 16)).round().astype(np.uint8)[:, None]
    pixels = digits.reshape(len(digits), -1) / 255.0

    def score(generator: Generator) -> Evaluation:
        images = torch.cat(list(generate(generator, 200, 0))).flatten(1).numpy() / 255.0
        return Evaluation(
            float(np.square(images.mean(0) - pixels.mean(0)).sum()), images.var(0).sum() / pixels.var(0).sum()
        )

    candidate = CandidateConfig.model_validate({"preset": "digits-cpu", "kimg": 4.0, "warm_up_kimg": 0.5})
    keys = {"device": "cpu", "precision": "float32", "evaluate_every_kimg": 0.5}
    spec, recorder = ModelSpec("lite", (1, 8, 8), candidate.z_dim, candidate.width), _Unseeing()
    store = CheckpointStore(tmp_path)
    result = loop.train(digits, spec, candidate, TrainConfig.model_validate(keys), 0, score, store, recorder)
    assert (result.stopped, result.images_seen) == (None, 4032)
    diversities = [line["diversity"] for line in recorder.lines if line["diversity"] is not None]
    assert min(diversities) > 0.05 and 0.5 < diversities[-1] < 2.0


def test_a_conditional_generator_makes_many_images_of_each_class(tmp_path: Path) -> None:
    digits = (load_digits().images * (255 / 16)).round().astype(np.uint8)[:, None]
    labels = load_digits().target.astype(np.int64)
    keys = {"preset": "digits-cpu", "conditional": True, "kimg": 24.0, "width": 16}
    candidate = CandidateConfig.model_validate(keys)
    shares = tuple(float(share) for share in np.bincount(labels) / len(labels))
    spec = ModelSpec("lite", (1, 8, 8), candidate.z_dim or 64, 16, shares)
    generators = []

    def score(generator: Generator) -> Evaluation:
        generators.append(generator)
        return Evaluation(1.0, 1.0)

    config = TrainConfig.model_validate({"device": "cpu", "precision": "float32"})
    loop.train(digits, spec, candidate, config, 0, score, CheckpointStore(tmp_path), _Unseeing(), labels=labels)
    means = np.stack([digits[labels == label].mean((0, 1)) for label in range(10)])
    for label in range(10):
        images = next(generate(generators[-1], 64, 1, 64, label=label)).float().numpy()[:, 0]
        spread = np.linalg.norm(images.std(0)) / np.linalg.norm(digits[labels == label, 0].std(0))
        nearest = int(np.square(means - images.mean(0)).sum((1, 2)).argmin())
        assert spread > 0.6, f"{label}: {spread:.2f} of the real images' spread"  # 0.3 to 0.4 when classes collapse
        assert nearest == label
