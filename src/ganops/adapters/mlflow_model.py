"""The registered model's code, run by MLflow from this very file: no pickle anywhere.

MLflow copies this file and the few `ganops` modules it needs beside the weights, so that a server
needs torch, numpy, pillow and safetensors, and GanOps itself is not installed there.

A request row holds `n` and `seed` (n images of that seed, as `ganops sample` makes them), or one
latent vector `z`; a conditional model takes `label`, the name or number of a class, too, for images of
that class alone. Each image comes back as a row: `png` (base64), `index`, `seed`.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from PIL import Image

# MLflow runs a model from where its files are kept, where compiled ones would be files more than were signed: none are
# made from here on, and what Python has just made of this one goes
if (Path(__file__).parent / "MLmodel").exists():
    sys.dont_write_bytecode = True
    if compiled := globals().get("__cached__"):
        with suppress(OSError):
            Path(compiled).unlink()
            Path(compiled).parent.rmdir()

from ganops.errors import UserError
from ganops.models.latents import latents
from ganops.models.sampling import images_of, labels_for
from ganops.models.snapshot import Snapshot, load_snapshot

MAX_IMAGES = 4096  # a request: a public endpoint must not be made to fill the memory


class GeneratorModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Latents in, PNGs out."""

    snapshot: Snapshot

    def load_context(self, context: Any) -> None:
        self.snapshot = load_snapshot(Path(context.artifacts["snapshot"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        rows = [row for request in _requests(model_input) for row in self._answer(request)]
        return pd.DataFrame(rows, columns=["index", "seed", "png"])

    def _answer(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        spec = self.snapshot.spec
        z_dim = spec.z_dim
        if (given := request.get("z")) is not None:
            seed, z = -1, torch.from_numpy(np.asarray(given, dtype=np.float32).reshape(-1, z_dim))
        else:
            seed, count = int(request.get("seed", 0)), int(request.get("n", 1))
            if not (seed >= 0 and 1 <= count <= MAX_IMAGES):
                raise mlflow.MlflowException.invalid_parameter_value(
                    f"n is {count} and seed is {seed}: n has to be 1 to {MAX_IMAGES}, and seed at least 0."
                )
            z = latents(seed, count, z_dim)
        labels = labels_for(spec, max(seed, 0), len(z), label=self._label(request.get("label")))
        for index, image in enumerate(images_of(self.snapshot.generator, z, labels).numpy()):
            yield {"index": index, "seed": seed, "png": _png(image)}

    def _label(self, asked: Any) -> int | None:
        """A class's name or number; pandas makes floats of a column of numbers that has gaps."""
        if asked is None:
            return None
        try:
            return self.snapshot.label_of(str(int(asked) if isinstance(asked, float) and asked.is_integer() else asked))
        except UserError as error:
            raise mlflow.MlflowException.invalid_parameter_value(f"label is {asked}: {error}") from None


def _requests(model_input: Any) -> list[dict[str, Any]]:
    frame = model_input if isinstance(model_input, pd.DataFrame) else pd.DataFrame(model_input)
    return [
        {str(key): value for key, value in row.items() if not (np.isscalar(value) and pd.isna(value))}
        for row in frame.to_dict("records")
    ]


def _png(image: np.ndarray[Any, Any]) -> str:
    """uint8 (C, H, W) as base64 PNG."""
    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()


mlflow.models.set_model(GeneratorModel())
