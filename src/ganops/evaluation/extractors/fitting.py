"""What may follow a network that is there already: a pinned projection, and a head that tells the data's classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

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
    if len(images_u8) < 2:
        raise TooFewImages(f"Features of {len(images_u8)} images have no variance: at least two are needed.")
    rows = subset_rows(len(images_u8), FIT_LIMIT, _STREAM)
    chosen = images_u8[rows]
    plain = _without_additions(extractor)
    features = torch.from_numpy(plain.observe(chosen, progress=progress).features)
    if not features.double().var(0).sum() > 0:
        raise ExtractorError(
            f"The {plain.card.kind} extractor gives the same features for all of {len(features)} images: nothing "
            "could be told apart in them. Check its weights and the preprocessing that it was given."
        )
    projection = Projection.fit(features, dimensions) if dimensions is not None else None
    head = None if labels is None else linear_head(features, labels[rows], len(class_names), divided(chosen))
    card = dataclasses.replace(
        plain.card,
        dim=plain.card.width if dimensions is None else dimensions,
        classes=tuple(class_names) if head is not None else plain.card.classes,
        projected=projection is not None,
        head=head is not None,
        fitted_on="train" if projection is not None or head is not None else plain.card.fitted_on,
    )
    return in_memory(ExtractorNetwork(plain.network.backbone, projection, head), card)


def linear_head(
    features: Tensor, labels: npt.NDArray[np.int64], classes: int, parts: tuple[npt.NDArray[np.int64], ...]
) -> LinearHead:
    """A head by ridge regression of the classes' indicators on features (N, width), calibrated on the held-out rows.

    parts: (rows to learn from, rows held out). The features are standardised for it; the ridge is `RIDGE` of their
    mean eigenvalue. In float64.
    """
    learnt, held_out = (torch.from_numpy(part) for part in parts)
    x, y = features.double(), torch.from_numpy(np.array(labels))
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


def _without_additions(extractor: Extractor) -> Extractor:
    """The same backbone, giving its own features and, where it knows them, its own classes."""
    card: Card = dataclasses.replace(
        extractor.card,
        dim=extractor.card.width,
        projected=False,
        head=False,
        classes=() if extractor.card.head else extractor.card.classes,
    )
    return Extractor(ExtractorNetwork(extractor.network.backbone), card, extractor.sha256)
