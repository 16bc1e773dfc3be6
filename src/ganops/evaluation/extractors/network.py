"""The classifier whose feature layer generators are judged in, and the pinned projection behind it."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

_FIRST_WIDTH, _WIDEST = 24, 192
_SMALLEST_SIDE = 4


@final
class ClassifierNetwork(nn.Module):
    """images float32 (N, C, H, W) in -1…1 to (features (N, width), logits (N, classes)).

    Convolutions, each halving the picture, until its shorter side is 4 pixels; then one linear layer over
    all positions, so that the features know where things are. The features are its batch-normalised output
    before the rectifier: nearer to Gaussian, which is what a Fréchet distance assumes.
    """

    def __init__(self, image_shape: tuple[int, int, int], width: int, classes: int) -> None:
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
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.norm(self.embed(self.layers(images).flatten(1)))
        return features, self.head(torch.relu(features))


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


TOTAL_VARIANCE = 100.0


@final
class ExtractorNetwork(nn.Module):
    """images float32 (N, C, H, W) in -1…1 to (projected features (N, d), logits (N, classes))."""

    def __init__(self, classifier: ClassifierNetwork, projection: Projection) -> None:
        super().__init__()
        self.classifier = classifier
        self.projection = projection

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = self.classifier(images)
        return self.projection(features), logits
