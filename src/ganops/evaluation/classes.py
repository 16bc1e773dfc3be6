"""Whether all classes are made, in the right shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ganops.evaluation.estimate import Estimate

Classes = npt.NDArray[np.int64]
"""(N,), the extractor's predicted class of each image."""


def class_coverage(generated: Classes, reference: Classes, num_classes: int) -> Estimate:
    """1 - total variation distance between the predicted-class shares: 1 is the same balance, 0 no class in common.

    A class that is never made costs its whole share. Both sides are predictions of the same classifier,
    so that its mistakes cancel. The influences are the delta method's: the derivative of |p - q| is a sign.
    Noise makes it a little too low, by about the same amount for two models with equal counts.
    """
    made, real = class_shares(generated, num_classes), class_shares(reference, num_classes)
    sign = np.sign(made - real)
    return Estimate(1.0 - float(np.abs(made - real).sum()) / 2.0, -sign[generated] / 2.0, sign[reference] / 2.0)


def class_shares(classes: Classes, num_classes: int) -> npt.NDArray[np.float64]:
    """Share of each class, (num_classes,), summing to 1."""
    assert len(classes) > 0, "no images"
    return np.bincount(classes, minlength=num_classes) / len(classes)
