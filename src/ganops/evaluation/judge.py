"""All metrics of one model against one reference, the reference's own part computed once."""

from __future__ import annotations

from typing import Literal, final

import numpy as np
import numpy.typing as npt

from ganops.evaluation.classes import class_coverage
from ganops.evaluation.distances import subset, subset_rows
from ganops.evaluation.estimate import Estimate
from ganops.evaluation.fd_star import fd_star
from ganops.evaluation.kernel import KernelReference, kid, scaled
from ganops.evaluation.manifold import ManifoldReference, manifold
from ganops.evaluation.memorisation import memorisation
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.threads import one_thread

PAIRWISE_LIMIT = 5_000
"""Metrics over all pairs of images look at that many of each side at most: a fixed draw."""

Metric = Literal[
    "fd_star",
    "kid",
    "kernel_distance",
    "precision",
    "recall",
    "density",
    "coverage",
    "class_coverage",
    "memorisation",
]
SMALLER_IS_BETTER: frozenset[Metric] = frozenset({"fd_star", "kid", "kernel_distance", "memorisation"})

_REFERENCE_STREAM, _TRAIN_STREAM = 1, 2


@final
class Judge:
    """Measures models against `reference`; several models share its own distances and kernel sums."""

    def __init__(self, reference: ReferenceSample) -> None:
        self._reference = reference
        with one_thread():
            self._near = subset(reference.features, PAIRWISE_LIMIT, _REFERENCE_STREAM)
            self._kernel = KernelReference.of(self._near)
            self._manifold = ManifoldReference.of(self._near)
        self._held_out, self._train = _equal_sets(self._near, reference.train_features)

    def estimates(self, features: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> dict[Metric, Estimate]:
        """Every metric of generated features (n, d) and classes (n,), with the samples' influences."""
        with one_thread():
            few = features[:PAIRWISE_LIMIT]  # independent draws: the first are as good as any
            kernel = kid(few, self._kernel)
            shape = manifold(few, self._manifold)
            by_class = class_coverage(classes, self._reference.classes, self._reference.num_classes)
            return {
                "fd_star": fd_star(features, self._reference.features),
                "kid": kernel,
                "kernel_distance": scaled(kernel, self._kernel),
                "precision": shape.precision,
                "recall": shape.recall,
                "density": shape.density,
                "coverage": shape.coverage,
                "class_coverage": by_class,
                "memorisation": memorisation(few, self._train, self._held_out),
            }


def _equal_sets(
    held_out: npt.NDArray[np.float32], train: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Equally many of both, each in an order that means nothing."""
    size = min(len(held_out), len(train))
    shuffle = np.random.Generator(np.random.Philox(key=[_REFERENCE_STREAM, 1]))
    chosen = shuffle.permutation(len(held_out))[:size]
    return held_out[chosen], train[shuffle.permutation(subset_rows(len(train), size, _TRAIN_STREAM))]
