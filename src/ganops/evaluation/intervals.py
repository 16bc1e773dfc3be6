"""The 95 % interval of a metric as it is shown: no wider than the values that it can take.

The normal approximation knows no such ends. Decisions take the standard error itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ganops.evaluation.estimate import Measurement

_SHARE = (0.0, 1.0)
_DIFFERENCE = (-1.0, 1.0)
_NOT_NEGATIVE = (0.0, math.inf)
_ENDS: Mapping[str, tuple[float, float]] = {
    "fd": _NOT_NEGATIVE,
    "mifid": _NOT_NEGATIVE,
    "precision": _SHARE,
    "recall": _SHARE,
    "coverage": _SHARE,
    "class_coverage": _SHARE,
    "density": _NOT_NEGATIVE,
    "inception_score": (1.0, math.inf),
    "memorisation": _DIFFERENCE,
    "copies": _DIFFERENCE,
}
"""Of others, unbiased estimates of a distance, the interval may lie below 0, as they may themselves."""


def shown_interval(metric: str, measured: Measurement) -> tuple[float, float]:
    """(low, high), the value between them; not numbers where it has none."""
    low, high = _ENDS.get(metric, (-math.inf, math.inf))
    if not measured.finite:
        return measured.low, measured.high
    return max(measured.low, min(low, measured.value)), min(measured.high, max(high, measured.value))
