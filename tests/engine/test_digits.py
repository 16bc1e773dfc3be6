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
