from __future__ import annotations

import base64
import io
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ganops.adapters.mlflow_model import GeneratorModel
from ganops.models import ModelSpec, build_generator, generate, save_snapshot

CONDITIONAL = ModelSpec("lite", (1, 8, 9), z_dim=4, width=4, class_shares=(0.5, 0.25, 0.25))
CLASSES = ["bag", "boot", "shirt"]
PLAIN = ModelSpec("lite", (3, 8, 9), z_dim=4, width=4)


def served(folder: Path, spec: ModelSpec) -> GeneratorModel:
    save_snapshot(folder / "snapshot", build_generator(spec), spec, {"classes": CLASSES})
    model = GeneratorModel()
    model.load_context(SimpleNamespace(artifacts={"snapshot": str(folder / "snapshot")}))
    return model


def answered(model: GeneratorModel, **request: object) -> npt.NDArray[np.uint8]:
    rows = model.predict(None, [request])
    return np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in rows["png"]])


def test_a_conditional_model_answers_as_sampling_does(tmp_path: Path) -> None:
    model = served(tmp_path, CONDITIONAL)
    for label in (None, 0, 2):
        (expected,) = generate(build_generator(CONDITIONAL), 5, seed=3, label=label)
        for wanted in [{}] if label is None else [{"label": label}, {"label": CLASSES[label]}]:
            assert np.array_equal(answered(model, n=5, seed=3, **wanted), expected[:, 0].numpy())
    one_vector = {"z": [0.1, 0.2, 0.3, 0.4]}
    assert not np.array_equal(answered(model, **one_vector, label=0), answered(model, **one_vector, label=1))


def test_an_unconditional_model_answers_as_sampling_does(tmp_path: Path) -> None:
    (expected,) = generate(build_generator(PLAIN), 2, seed=1)
    assert np.array_equal(answered(served(tmp_path, PLAIN), n=2, seed=1), expected.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize(("spec", "label"), [(PLAIN, 0), (CONDITIONAL, 3), (CONDITIONAL, -1), (CONDITIONAL, "hat")])
def test_a_class_that_is_not_there_is_refused(tmp_path: Path, spec: ModelSpec, label: object) -> None:
    with pytest.raises(mlflow.MlflowException, match=f"label is {label}"):
        served(tmp_path, spec).predict(None, [{"n": 1, "label": label}])
