"""All metrics of one model against one reference, the reference's own part computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
import numpy.typing as npt

from ganops.evaluation.classes import ClassRow, class_coverage, class_table
from ganops.evaluation.conventions import PAIRWISE_LIMIT
from ganops.evaluation.distances import subset_rows
from ganops.evaluation.estimate import Estimate
from ganops.evaluation.fd_star import frechet_estimates
from ganops.evaluation.inception_score import inception_score
from ganops.evaluation.kernel import KernelReference, kid, kid_subsets, scaled
from ganops.evaluation.manifold import ManifoldReference, manifold
from ganops.evaluation.memorisation import copies, memorisation
from ganops.evaluation.mifid import NearestTraining, mifid
from ganops.evaluation.offender import Offender
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sample import Sample
from ganops.evaluation.threads import one_thread

Metric = Literal[
    "fd_star",
    "fd",
    "kid",
    "kid_subsets",
    "kernel_distance",
    "precision",
    "recall",
    "density",
    "coverage",
    "class_coverage",
    "inception_score",
    "mifid",
    "memorisation",
    "copies",
]
SMALLER_IS_BETTER: frozenset[Metric] = frozenset(
    {"fd_star", "fd", "kid", "kid_subsets", "kernel_distance", "mifid", "memorisation", "copies"}
)
METRICS: frozenset[Metric] = frozenset(get_args(Metric))
PIXELS: frozenset[Metric] = frozenset({"memorisation", "copies"})
"""Metrics that look at pixels and at no features."""
_FRECHET: frozenset[Metric] = frozenset({"fd", "fd_star", "mifid"})
_KERNEL: frozenset[Metric] = frozenset({"kid", "kid_subsets", "kernel_distance"})
_NEIGHBOURS: frozenset[Metric] = frozenset({"precision", "recall", "density", "coverage"})
CENTRED = frozenset({"classifier", "pretext"})
"""Extractors whose features are moved to their mean, so that angles between them, MiFID's distance, say nothing."""

_REFERENCE_STREAM, _PIXEL_STREAM = 1, 4


@final
@dataclass(frozen=True, eq=False)
class Judgement:
    """estimates: every metric that applies. classes: a row for each class. offenders: the generated images that lie
    suspiciously near to a training image, nearest first: rows of the sample's and of the reference's `train_pixels`.
    """

    estimates: dict[Metric, Estimate]
    classes: tuple[ClassRow, ...]
    offenders: tuple[Offender, ...]


@final
class Judge:
    """Measures models against `reference`; several models share its own distances and kernel sums.

    metrics: that are asked for. What takes no work beside these is found with them.

    Raises:
        ExtractorError: the reference's features are not finite, or all the same.
        TooFewImages: it has no neighbours.
    """

    def __init__(self, reference: ReferenceSample, metrics: frozenset[Metric] = METRICS) -> None:
        self._reference, self._metrics = reference, metrics
        self._rows = subset_rows(len(reference.features), PAIRWISE_LIMIT, _REFERENCE_STREAM)
        self._near = reference.features[self._rows]
        with one_thread():
            self._kernel = KernelReference.of(self._near) if metrics & _KERNEL else None
            self._manifold = ManifoldReference.of(self._near) if metrics & _NEIGHBOURS else None
        self._held_out = _shuffled(reference.pixels, PAIRWISE_LIMIT)

    def estimates(self, sample: Sample) -> dict[Metric, Estimate]:
        """Every metric that applies to `sample`, with the samples' influences."""
        return self.judgement(sample).estimates

    def judgement(self, sample: Sample) -> Judgement:
        """All that is to be said of `sample`.

        A metric that does not apply is left out: `class_coverage` without classes, `inception_score` without
        Inception, `mifid` without training features whose angles mean something, `memorisation` and `copies`
        without pixels of training and held-out images.

        Raises:
            ExtractorError: features are not finite, or too few for an interval.
            TooFewImages: there are no neighbours.
            IncomparableReports: features of different widths.
        """
        with one_thread():
            few = sample.features[:PAIRWISE_LIMIT]  # independent draws: the first are as good as any
            found: dict[Metric, Estimate] = {}
            if self._metrics & _FRECHET:
                frechet = frechet_estimates(sample.features, self._reference.features)
                found |= {"fd_star": frechet.star, "fd": frechet.plain}
            if self._kernel is not None:
                found |= self._kernel_figures(few, self._kernel)
            covered = None
            if self._manifold is not None:
                shape = manifold(few, self._manifold)
                found |= {"precision": shape.precision, "recall": shape.recall}
                found |= {"density": shape.density, "coverage": shape.coverage}
                covered = shape.covered
            rows: tuple[ClassRow, ...] = ()
            if "class_coverage" in self._metrics and self._reference.num_classes:
                found["class_coverage"] = class_coverage(
                    sample.classes, self._reference.classes, self._reference.num_classes
                )
                rows = self._class_rows(sample.classes, covered)
            if "inception_score" in self._metrics and sample.imagenet is not None:
                found["inception_score"] = inception_score(sample.imagenet)
            train = self._reference.train_features
            if "mifid" in self._metrics and len(train) and self._reference.extractor not in CENTRED:
                found["mifid"] = mifid(found["fd"], NearestTraining.of(few, train))
            offenders = self._memory(sample, found) if self._metrics & PIXELS else ()
        return Judgement(found, rows, offenders)

    def _kernel_figures(self, few: npt.NDArray[np.float32], reference: KernelReference) -> dict[Metric, Estimate]:
        kernel = kid(few, reference)
        return {
            "kid": kernel,
            "kid_subsets": kid_subsets(kernel, few, self._near),
            "kernel_distance": scaled(kernel, reference),
        }

    def _class_rows(
        self, classes: npt.NDArray[np.int64], covered: npt.NDArray[np.bool_] | None
    ) -> tuple[ClassRow, ...]:
        names = self._reference.class_names or tuple(str(number) for number in range(self._reference.num_classes))
        real = self._reference.classes
        return class_table(classes, real, covered, real[self._rows], names)

    def _memory(self, sample: Sample, found: dict[Metric, Estimate]) -> tuple[Offender, ...]:
        known = self._reference.train_pixels
        if not (sample.pixels.size and known.size and self._held_out.size):
            return ()
        pixels = sample.pixels[:PAIRWISE_LIMIT]
        found["memorisation"] = memorisation(pixels, _shuffled(known, len(self._held_out)), self._held_out)
        copied = copies(pixels, known, self._held_out)
        found["copies"] = copied.share
        return copied.offenders


def _shuffled(pixels: npt.NDArray[np.float32], limit: int) -> npt.NDArray[np.float32]:
    """At most `limit` rows in an order that means nothing."""
    random = np.random.Generator(np.random.Philox(key=[_PIXEL_STREAM, 0]))
    return pixels[random.permutation(len(pixels))[:limit]]
