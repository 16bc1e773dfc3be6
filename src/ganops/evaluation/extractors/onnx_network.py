"""A network of the user's, run by onnxruntime on the CPU."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from ganops.config import PreprocessingConfig
from ganops.errors import UserError
from ganops.evaluation.extractors.network import Backbone
from ganops.evaluation.extractors.onnx_file import UNNAMED, check_whole, unusable

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's convert("L")


@final
class OnnxNetwork(Backbone):
    """images_u8 (N, 1 or 3, H, W) of any size, preprocessed as declared, to the model's first output, flattened."""

    images_at_once = 64

    def __init__(self, content: bytes, inputs: PreprocessingConfig, name: str = UNNAMED) -> None:
        """content: the ONNX file; name: its, for messages.

        Raises:
            UserError: onnxruntime is not installed, or the file is no model of images that it can run.
        """
        super().__init__()
        check_whole(content, name)
        self.content, self.inputs, self._name = content, inputs, name
        self._session = _session(content, name)
        self._input, self._batch = _image_input(self._session, name)
        self.width = self._run(preprocessed(torch.zeros(1, 1, 8, 8), inputs).numpy()).shape[1]

    def forward(self, images_u8: Tensor) -> tuple[Tensor, Tensor]:
        images = preprocessed(images_u8.cpu(), self.inputs).numpy()
        features = torch.from_numpy(self._run(images)).to(images_u8.device)
        return features, features.new_zeros(len(features), 0)

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxNetwork:
        return self  # it has no state, and a session cannot be copied

    def _run(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """A model of a fixed batch gets that many at a time, the last ones filled up with zeros."""
        size = self._batch or len(images)
        parts = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            full = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), np.float32)])
            parts.append(self._output(full)[: len(part)])
        return np.concatenate(parts)

    def _output(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        try:
            output = self._session.run(None, {self._input: images})[0]
        except Exception as error:  # onnxruntime's errors have no class in common
            raise unusable(
                f"it cannot compute images of shape {images.shape[1:]} as its preprocessing declares them "
                f"({_first_line(error)})",
                self._name,
            ) from None
        if not (isinstance(output, np.ndarray) and output.dtype.kind == "f" and output.shape[:1] == images.shape[:1]):
            raise unusable("its first output is not a row of numbers for each image", self._name)
        return np.ascontiguousarray(output.reshape(len(images), -1), np.float32)


def preprocessed(images_u8: Tensor, inputs: PreprocessingConfig) -> Tensor:
    """images_u8 (N, 1 or 3, H, W), 0-255, to float32 as declared, (N, C, *size) or (N, *size, C), contiguous."""
    images = images_u8.float()
    if images.shape[1] == 1:
        images = images.expand(-1, inputs.channels, -1, -1)
    elif inputs.channels == 1:
        images = (images * images.new_tensor(_LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True)
    if tuple(images.shape[2:]) != inputs.size:
        images = F.interpolate(images, inputs.size, mode="bilinear", antialias=True)
    low, high = inputs.range
    images = images * ((high - low) / 255.0) + low
    mean, std = (images.new_tensor(numbers).view(1, -1, 1, 1) for numbers in (inputs.mean, inputs.std))
    images = (images - mean) / std
    return (images if inputs.layout == "NCHW" else images.permute(0, 2, 3, 1)).contiguous()


def _session(content: bytes, name: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"A custom extractor is run by onnxruntime, which cannot be imported ({error}): install GanOps with its "
            "extra, `pip install 'ganops[onnx]'`."
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the order of sums does not depend on the machine
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no class in common
        raise unusable(_first_line(error), name) from None


def _image_input(session: Any, name: str) -> tuple[str, int | None]:
    """Name of the one input, and its number of images where that is fixed."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        found = ", ".join(f"{item.name} {item.type} {item.shape}" for item in inputs) or "none"
        raise unusable(f"it must have one input, float32 with four dimensions, and has {found}", name)
    batch = inputs[0].shape[0]
    return inputs[0].name, batch if isinstance(batch, int) else None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300].rstrip(".")
