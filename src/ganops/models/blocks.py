"""Modules that several families share."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn


@final
class UnitSigmoid(nn.Module):
    """2σ(x) - 1: a sigmoid for pixels of 0…1, on the scale of -1…1 that all images have here."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * 2.0 - 1.0


@final
class Residual(nn.Module):
    """branch(x) + shortcut(x)   (He et al. 2016, equation 2)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.branch(x) + self.shortcut(x)
        return total
