from __future__ import annotations

import pytest
import torch

from ganops.errors import ConfigError
from ganops.training.precision import resolve_device, resolve_precision


def test_what_is_asked_for_is_taken() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_precision("bfloat16", torch.device("cpu")) == "bfloat16"
    assert resolve_precision("auto", torch.device("cpu")) in ("float32", "bfloat16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_that_is_not_there_is_the_users_mistake() -> None:
    with pytest.raises(ConfigError, match=r"train\.device"):
        resolve_device("cuda:1")
    assert resolve_device("auto") == torch.device("cpu")
