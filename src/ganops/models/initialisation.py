"""How weights begin. Each function fills the weights of a list of layers, in their order, and gives the list back."""

from __future__ import annotations

from torch import nn

_Weighted = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


def small_normal(layers: list[nn.Module]) -> list[nn.Module]:
    """N(0, 0.02²), biases 0, scales of batch norm N(1, 0.02²)   (Radford et al. 2016, section 4)."""
    for layer in layers:
        if isinstance(layer, _Weighted):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return layers


def glorot(layers: list[nn.Module]) -> list[nn.Module]:
    """Uniform, of variance 2/(fan in + fan out), biases 0   (Glorot and Bengio 2010, equation 16)."""
    for layer in layers:
        for part in layer.modules():
            if isinstance(part, _Weighted):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
    return layers
