"""The Inception score (Salimans et al. 2016): how surely each image has a class, and how evenly classes are made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ganops.errors import ExtractorError, TooFewImages
from ganops.evaluation.conventions import INCEPTION_SCORE_SPLITS
from ganops.evaluation.estimate import Estimate

_TINY = np.finfo(np.float64).tiny


def inception_score(probabilities: npt.NDArray[np.floating], splits: int = INCEPTION_SCORE_SPLITS) -> Estimate:
    """exp(mean KL(p(y|x) ‖ p(y))) of probabilities (n, classes), averaged over `splits` equal parts, as published.

    1 is the least, the number of classes the most. It looks at no real image. An image's influence is its
    KL less the mean, times the score of its part.

    Raises:
        TooFewImages: fewer than two images a part.
        ExtractorError: a probability is not finite, or below zero.
    """
    if len(probabilities) < 2 * splits:
        raise TooFewImages(f"An Inception score in {splits} parts needs {2 * splits} images, not {len(probabilities)}.")
    p = np.asarray(probabilities, np.float64)
    if not np.isfinite(p).all() or (p < 0).any():
        raise ExtractorError("A class probability is not a finite number from 0 to 1: the extractor is damaged.")
    scores, influences = [], []
    for part in np.array_split(p, splits):
        divergence = (part * (_log(part) - _log(part.mean(0)))).sum(1)
        scores.append(np.exp(divergence.mean()))
        influences.append(scores[-1] * (divergence - divergence.mean()))
    return Estimate(float(np.mean(scores)), np.concatenate(influences), np.empty(0))


def _log(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.log(np.maximum(p, _TINY))
