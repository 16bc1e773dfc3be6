"""What looks at images: a backbone, a projection of its features, and a head where it knows no classes itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor, nn

_FIRST_WIDTH, _WIDEST = 24, 192
_SMALLEST_SIDE = 4
TOTAL_VARIANCE = 100.0


class Backbone(nn.Module, ABC):
    """images_u8 (N, C, H, W), uint8 or float of 0-255, to (features (N, width), logits (N, classes)), float32.

    logits are of classes of its own, (N, 0) where it knows none.
    """

    width: int
    images_at_once: ClassVar[int] = 512
    """Enough to be fast, few enough for any machine's memory."""

    @abstractmethod
    def forward(self, images_u8: Tensor) -> tuple[Tensor, Tensor]: ...

    def for_inference(self) -> Backbone:
        """The same function, as fast as may be; itself where there is nothing to gain."""
        return self


@final
class ConvFeatures(nn.Module):
    """images float32 (N, C, H, W) in -1…1 to features (N, width).

    Convolutions, each halving the picture, until its shorter side is 4 pixels; then one linear layer over
    all positions, so that the features know where things are. The features are its batch-normalised output
    before the rectifier: nearer to Gaussian, which is what a Fréchet distance assumes.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        channels, height, wide = image_shape
        halvings = max(1, math.ceil(math.log2(min(height, wide) / _SMALLEST_SIDE)))
        layers: list[nn.Module] = []
        for level in range(halvings):
            out = min(_FIRST_WIDTH * 2**level, _WIDEST)
            layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            channels, height, wide = out, math.ceil(height / 2), math.ceil(wide / 2)
        layers += [nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.embed = nn.Linear(channels * height * wide, width, bias=False)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.norm(self.embed(self.layers(images).flatten(1)))
        return features


@final
class ClassifierNetwork(Backbone):
    """The features of `ConvFeatures`, and logits of classes, divided by a temperature that calibrates them."""

    temperature: Tensor

    def __init__(self, image_shape: tuple[int, int, int], width: int, classes: int) -> None:
        super().__init__()
        self.width = width
        self.trunk = ConvFeatures(image_shape, width)
        self.head = nn.Linear(width, classes)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, images_u8: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(as_signed(images_u8))
        return features, self.head(torch.relu(features)) / self.temperature


@final
class PretextNetwork(Backbone):
    """The features of `ConvFeatures` alone: what they were learnt by is not needed afterwards."""

    def __init__(self, image_shape: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.width = width
        self.trunk = ConvFeatures(image_shape, width)

    def forward(self, images_u8: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(as_signed(images_u8))
        return features, features.new_zeros(len(features), 0)


def as_signed(images_u8: Tensor) -> Tensor:
    """images_u8 to float32 in -1…1."""
    return images_u8.float().div(127.5).sub(1.0)


@final
class Projection(nn.Module):
    """Features (N, width) to (N, d): centred, rotated onto the leading principal components, scaled.

    Fitted once to the training images' features and pinned with the weights. The scale makes their total
    variance 100, so that a Fréchet distance reads like a percentage whatever the data: a generator that
    makes one average image for ever has about 100.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("matrix", torch.eye(width, dimensions))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) @ self.matrix

    @staticmethod
    def fit(features: Tensor, dimensions: int) -> Projection:
        """To features (N, width). With dimensions = width nothing is rotated, only centred and scaled."""
        x = features.double()
        centred = x - x.mean(0)
        width = x.shape[1]
        directions = torch.eye(width, dtype=torch.float64)
        if dimensions < width:
            _, vectors = torch.linalg.eigh(centred.T @ centred)
            directions = vectors.flip(1)[:, :dimensions]
            directions = directions * directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()
        variance = (centred @ directions).var(0).sum()
        projection = Projection(width, dimensions)
        projection.mean.copy_(x.mean(0))
        projection.matrix.copy_(directions * (TOTAL_VARIANCE / variance).sqrt())
        return projection


@final
class LinearHead(nn.Module):
    """Features (N, width) to logits (N, classes): for a backbone that does not know the data's classes."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, classes)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(features)
        return logits


class Seen(NamedTuple):
    """features (N, d), projected; logits (N, classes) of the data's classes; own (N, k): the backbone's own logits."""

    features: Tensor
    logits: Tensor
    own: Tensor


@final
class ExtractorNetwork(nn.Module):
    """images_u8 (N, C, H, W) to `Seen`, float32. Without a projection the features are the backbone's.

    Without a head the data's classes are the backbone's own where `knows_classes`, and else there are none.
    """

    def __init__(
        self,
        backbone: Backbone,
        projection: Projection | None = None,
        head: LinearHead | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.projection, self.head = backbone, projection, head

    @property
    def dim(self) -> int:
        """d, of the features that come out."""
        return self.backbone.width if self.projection is None else self.projection.matrix.shape[1]

    def for_inference(self) -> ExtractorNetwork:
        """The same function, as fast as may be."""
        return ExtractorNetwork(self.backbone.for_inference(), self.projection, self.head).eval()

    def forward(self, images_u8: Tensor) -> Seen:
        return self.after(*self.backbone(images_u8))

    def after(self, features: Tensor, own: Tensor) -> Seen:
        """From what the backbone gave."""
        if self.head is not None:
            logits = self.head(features)
        else:
            logits = own if isinstance(self.backbone, ClassifierNetwork) else own[:, :0]
        return Seen(features if self.projection is None else self.projection(features), logits, own)
