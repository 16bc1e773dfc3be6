"""Generator and discriminator: a family's list of layers, run in order, with labels where there are any."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import spectral_norm

from ganops.models.families import FAMILIES
from ganops.models.spec import ModelSpec


@final
class Generator(nn.Module):
    """z float32 (N, z_dim) -> images float32 (N, C, H, W) in -1…1 (`lite` and `r3gan` may go beyond).

    A conditional one takes labels, int64 (N,), too, and concatenates z with a learned direction for each class: a
    unit vector (Mescheder et al. 2018, appendix D), beside which z is long. With vectors of z's own length each class
    collapsed to one image, in every family (docs/models.md, "Classes"). Noise images need 1 per pixel instead, for
    a convolution sees only some of them.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        assert FAMILIES[spec.family].refusal(spec.image_shape) is None, spec
        self.spec = spec
        self.layers = nn.Sequential(*FAMILIES[spec.family].generator(spec))
        self.embedding = nn.Embedding(spec.num_classes, spec.z_dim) if spec.class_shares else None
        self._class_length = math.sqrt(spec.z_dim) if FAMILIES[spec.family].noise_image else 1.0

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        assert (labels is None) == (self.embedding is None), (
            "labels are for conditional generators, and for all of them"
        )
        if self.embedding is not None:
            z = torch.cat((z, self._class_length * normalize(self.embedding(labels), dim=1)), dim=1)
        images: Tensor = self.layers(z)
        return images.float()


@final
class Discriminator(nn.Module):
    """images float32 (N, C, H, W) in -1…1 -> logits float32 (N, 1), or (N, 1, H', W') of patches.

    A conditional one has a logit for each class and gives that of the image's own, labels int64 (N,): the
    choice of Mescheder et al. 2018 (arXiv:1801.04406, appendix D), which is a projection discriminator
    (Miyato and Koyama 2018, arXiv:1802.05637) without the term that the classes share.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        family = FAMILIES[spec.family]
        assert family.refusal(spec.image_shape) is None, spec
        self.spec = spec
        self.layers = nn.Sequential(*family.discriminator(spec))
        if spec.spectral_norm or family.spectral_norm:
            _normalise_spectrally(self.layers)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        assert (labels is None) == (not self.spec.class_shares), (
            "labels are for conditional discriminators, and for all"
        )
        logits: Tensor = self.layers(images)
        return (logits if labels is None else _of_own_class(logits, labels)).float()


def build_generator(spec: ModelSpec, seed: int = 0) -> Generator:
    """A freshly initialised generator; equal seeds give equal weights and leave torch's generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2 * seed)
        return Generator(spec)


def build_discriminator(spec: ModelSpec, seed: int = 0) -> Discriminator:
    """A freshly initialised discriminator; as `build_generator`, with other random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2 * seed + 1)
        return Discriminator(spec)


def _of_own_class(logits: Tensor, labels: Tensor) -> Tensor:
    """From (N, K, …) to (N, 1, …). A sum over a mask: unlike `gather`, its gradient is deterministic on CUDA."""
    classes = torch.arange(logits.shape[1], device=labels.device)
    others = (labels[:, None] != classes).view(*logits.shape[:2], *[1] * (logits.dim() - 2))
    return logits.masked_fill(others, 0.0).sum(dim=1, keepdim=True)


def _normalise_spectrally(layers: nn.Module) -> None:
    """Divide each weight matrix by its largest singular value (Miyato et al. 2018, equation 8), one power
    iteration for each forward pass in training mode."""
    for layer in list(layers.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)
