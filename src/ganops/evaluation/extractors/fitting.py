"""What may follow a network that is there already: a pinned projection, and a head that tells the data's classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.errors import ExtractorError, TooFewImages
from ganops.evaluation.distances import subset_rows
from ganops.evaluation.extractors.card import Card
from ganops.evaluation.extractors.classifier import temperature
from ganops.evaluation.extractors.extractor import Extractor, in_memory
from ganops.evaluation.extractors.network import ExtractorNetwork, LinearHead, Projection
from ganops.evaluation.extractors.training import Images, divided
from ganops.progress import Progress, silent

FIT_LIMIT = 20_000
"""As many images are enough for directions of variance and for a linear head."""
_STREAM = 0
RIDGE = 1e-3


def fitted(
    extractor: Extractor,
    images_u8: Images,
    *,
    dimensions: int | None = None,
    labels: npt.NDArray[np.int64] | None = None,
    class_names: Sequence[str] = (),
    progress: Progress = silent,
) -> Extractor:
    """`extractor`'s network with what these images (N, C, H, W) say, in one pass over at most `FIT_LIMIT` of them.

    dimensions: of a projection of its features; None leaves them alone. labels, class_names: of a linear head, for
    an extractor that knows no classes itself.

    Raises:
        TooFewImages: there are fewer than two, or with labels fewer than a training needs.
        ExtractorError: it gives the same features for all images, or some that are not finite.
    """
    rows = subset_rows(len(images_u8), FIT_LIMIT, _STREAM)
    chosen, plain = images_u8[rows], without_additions(extractor)
    features = plain.observe(chosen, progress=progress).features
    learnt = None if labels is None else Learnt(labels[rows], tuple(class_names), divided(chosen))
    return fitted_to(plain, features, dimensions, learnt)


@final
@dataclass(frozen=True, eq=False)
class Learnt:
    """What a head is fitted to. labels: (N,), indices of class_names. parts: rows to learn from, rows held out."""

    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def fitted_to(
    plain: Extractor, features: npt.NDArray[np.float32], dimensions: int | None, learnt: Learnt | None
) -> Extractor:
    """As `fitted`, from the features (N, width) that `plain`, without projection and head, gave.

    Raises:
        TooFewImages: there are fewer than two.
        ExtractorError: they are all the same.
    """
    if len(features) < 2:
        raise TooFewImages(f"Features of {len(features)} images have no variance: at least two are needed.")
    given = torch.from_numpy(features)
    if not given.double().var(0).sum() > 0:
        raise ExtractorError(
            f"The {plain.card.kind} extractor gives the same features for all of {len(given)} images: nothing "
            "could be told apart in them. Check its weights and the preprocessing that it was given."
        )
    projection = Projection.fit(given, dimensions) if dimensions is not None else None
    head = linear_head(given, learnt) if learnt is not None else None
    card = dataclasses.replace(
        plain.card,
        dim=plain.card.width if dimensions is None else dimensions,
        classes=plain.card.classes if learnt is None else learnt.class_names,
        projected=projection is not None,
        head=head is not None,
        fitted_on="train" if projection is not None or head is not None else plain.card.fitted_on,
    )
    return in_memory(ExtractorNetwork(plain.network.backbone, projection, head), card)


def linear_head(features: Tensor, given: Learnt) -> LinearHead:
    """A head by ridge regression of the classes' indicators on features (N, width), calibrated on the held-out rows.

    The features are standardised for it; the ridge is `RIDGE` of their mean eigenvalue. In float64.
    """
    learnt, held_out = (torch.from_numpy(part) for part in given.parts)
    classes = len(given.class_names)
    x, y = features.double(), torch.from_numpy(np.array(given.labels))
    mean, deviation = x[learnt].mean(0), x[learnt].std(0).clamp(min=1e-12)
    z = (x - mean) / deviation
    wanted = torch.nn.functional.one_hot(y[learnt], classes).double()
    scatter = z[learnt].T @ z[learnt] / len(learnt)
    ridge = RIDGE * scatter.diagonal().mean() * torch.eye(len(scatter), dtype=torch.float64)
    weight = torch.linalg.solve(scatter + ridge, z[learnt].T @ (wanted - wanted.mean(0)) / len(learnt))
    bias = wanted.mean(0)
    sharpness = 1 / temperature(z[held_out] @ weight + bias, y[held_out])
    weight = weight / deviation[:, None] * sharpness
    head = LinearHead(x.shape[1], classes)
    with torch.no_grad():
        head.linear.weight.copy_(weight.T)
        head.linear.bias.copy_(bias * sharpness - mean @ weight)
    return head


def accuracy_of(extractor: Extractor, images_u8: Images, labels: npt.NDArray[np.int64]) -> float | None:
    """Share of the labelled images whose class is told rightly; None where none is labelled (label < 0)."""
    labelled = np.flatnonzero(labels >= 0)
    if len(labelled) == 0:
        return None
    predicted = extractor.observe(images_u8[labelled]).classes
    return float((predicted == labels[labelled]).mean())


def without_additions(extractor: Extractor) -> Extractor:
    """The same backbone, giving its own features and, where it knows them, its own classes."""
    card: Card = dataclasses.replace(
        extractor.card,
        dim=extractor.card.width,
        projected=False,
        head=False,
        classes=() if extractor.card.head else extractor.card.classes,
    )
    return Extractor(ExtractorNetwork(extractor.network.backbone), card, extractor.sha256)
