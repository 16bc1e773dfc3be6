"""Mean and covariance of features: what a Fréchet distance needs of them, in memory that does not grow with N."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.errors import ExtractorError, IncomparableReports
from ganops.evaluation.estimate import F64

Features = npt.NDArray[np.floating]
"""(N, d), float32 or float64, finite."""
LARGEST = 1e15
"""Features beyond it are refused: the kernel distance takes their sixth power and the square of that for its error,
and neighbours are found in float32, which ends at the square of 10¹⁹."""
TOO_LARGE = "too large for float64 arithmetic, where distances take high powers of them"


@final
@dataclass(frozen=True, eq=False)
class FeatureStats:
    """Mean (d,) and unbiased covariance (d, d) of `num_images` feature vectors, float64."""

    mu: F64
    sigma: F64
    num_images: int

    @staticmethod
    def from_features(features: Features) -> FeatureStats:
        """Of features (N, d), N >= 2.

        Raises:
            ExtractorError: a feature is not finite or beyond `LARGEST`, or there are fewer than two images.
        """
        x = checked(features)
        mu = x.mean(0)
        centred = x - mu
        return FeatureStats(mu.numpy(), (centred.T @ centred / (len(x) - 1)).numpy(), len(x))

    @staticmethod
    def from_batches(batches: Iterable[Features | Tensor]) -> FeatureStats:
        """Of batches (n_i, d), one at a time, on whatever device they come.

        Raises:
            ExtractorError: as `from_features`.
            IncomparableReports: batches of different widths.
        """
        moments = FeatureMoments()
        for batch in batches:
            moments.add(batch)
        return moments.stats()

    def merged(self, other: FeatureStats) -> FeatureStats:
        """Of both sets together (Chan, Golub & LeVeque 1979)."""
        same_width(len(self.mu), len(other.mu))
        n, m = self.num_images, other.num_images
        step = other.mu - self.mu
        scatter = (n - 1) * self.sigma + (m - 1) * other.sigma + n * m / (n + m) * np.outer(step, step)
        return FeatureStats(self.mu + step * (m / (n + m)), scatter / (n + m - 1), n + m)


@final
class FeatureMoments:
    """Streams features into `FeatureStats`, in float64 on the features' own device.

    Sums are taken about the first batch's mean, so that a mean far from zero costs no digits.
    """

    def __init__(self) -> None:
        self._count = 0
        self._origin: Tensor | None = None
        self._sum: Tensor | None = None
        self._products: Tensor | None = None

    def add(self, features: Features | Tensor) -> None:
        """A batch (n, d), n >= 1; all batches on one device.

        Raises:
            ExtractorError: a feature is not finite.
            IncomparableReports: another width than the batches before.
        """
        x = _double(features)
        if self._origin is None or self._sum is None or self._products is None:
            self._origin = x.mean(0)
            self._sum = torch.zeros_like(self._origin)
            self._products = x.new_zeros(x.shape[1], x.shape[1])
        same_width(len(self._origin), x.shape[1])
        x = x - self._origin
        self._count += len(x)
        self._sum += x.sum(0)
        self._products.addmm_(x.T, x)

    def stats(self) -> FeatureStats:
        """Of everything added.

        Raises:
            ExtractorError: a feature was not finite, or there were fewer than two images.
        """
        if self._count < 2 or self._origin is None or self._sum is None or self._products is None:
            raise _too_few(self._count)
        step = self._sum / self._count
        sigma = (self._products - self._count * torch.outer(step, step)) / (self._count - 1)
        return FeatureStats((self._origin + step).cpu().numpy(), sigma.cpu().numpy(), self._count)


def checked(features: Features) -> Tensor:
    """float64 (N, d) on the CPU, a copy, finite and within `LARGEST`; else an `ExtractorError` that says why."""
    if len(features) < 2:
        raise _too_few(len(features))
    return _double(np.array(features, dtype=np.float64))


def checked_reference(features: Features) -> Tensor:
    """As `checked`, of what others are measured against: an `ExtractorError` too where all images look the same."""
    x = checked(features)
    if not bool((x != x[0]).any()):
        raise ExtractorError(
            f"All {len(x)} reference images have the same features: the images are all alike, or the extractor sees "
            "no difference between any two. Nothing can be measured against them; check the images and the extractor."
        )
    return x


def same_width(ours: int, theirs: int) -> None:
    """Raises IncomparableReports where two sets of features have different widths."""
    if ours != theirs:
        raise IncomparableReports(
            f"The features' widths differ: {ours} and {theirs} numbers an image. They come of different extractors, "
            "and distances between them mean nothing. Extract both with one extractor."
        )


def _double(features: Features | Tensor) -> Tensor:
    x = features if isinstance(features, Tensor) else torch.from_numpy(np.asarray(features, dtype=np.float64))
    if x.ndim != 2 or x.shape[1] == 0:
        raise ExtractorError(f"Features must be a table, a row an image, and these have the shape {tuple(x.shape)}.")
    x = x.double()
    if x.numel():
        largest = float(torch.maximum(-x.min(), x.max()))  # without a copy; NaN wins in all three
        if not math.isfinite(largest):
            raise ExtractorError("A feature is not a finite number: the extractor or the images are damaged.")
        if largest > LARGEST:
            raise ExtractorError(
                f"Features reach {largest:.1e}: {TOO_LARGE}. Look at what they were computed with, or divide those of "
                "both sides by the same number."
            )
    return x


def _too_few(count: int) -> ExtractorError:
    return ExtractorError(f"Features of {count} images have no covariance: at least two are needed.")
