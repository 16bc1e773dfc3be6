"""From the host to the device."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor`, made on the CPU, on `device`. The host does not wait: from pinned memory, which torch keeps until then.

    From ordinary memory it would wait for all that the device still has to do, at each step.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
