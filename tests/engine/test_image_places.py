from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from training_run import IMAGES, digest, run

from ganops.training import inputs
from ganops.training.images import Prefetched

CPU = torch.device("cpu")


@pytest.mark.parametrize("recipe", ["lite", "everything"])
def test_training_ends_in_the_same_bytes_wherever_the_images_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")  # as `ganops prepare` leaves them
    monkeypatch.setattr("training_run.IMAGES", mapped)
    digests = {
        name: digest(run(tmp_path / name, recipe, train_keys={"resident": resident}))
        for name, resident in {"copied": True, "mapped": False, "auto": "auto"}.items()
    }
    monkeypatch.setattr(inputs, "training_images", lambda images_u8, order, device, _: Prefetched(mapped, order, CPU))
    digests["ahead"] = digest(run(tmp_path / "ahead", recipe))
    assert len(set(digests.values())) == 1, digests
