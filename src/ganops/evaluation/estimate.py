"""A figure, how unsure it is, and what each sample contributes to that.

Every metric returns an `Estimate`: its value and the influence of every sample on it (the delta
method's linearisation). Two estimates against one reference then differ by a figure whose standard
error counts the shared reference once, paired.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


@final
@dataclass(frozen=True)
class Measurement:
    """A value and its standard error, in the same unit."""

    value: float
    standard_error: float

    @property
    def low(self) -> float:
        """Lower end of the two-sided 95 % interval."""
        return self.value - Z95 * self.standard_error

    @property
    def high(self) -> float:
        """Upper end of the two-sided 95 % interval."""
        return self.value + Z95 * self.standard_error

    @property
    def finite(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.standard_error)

    def negated(self) -> Measurement:
        return Measurement(-self.value, self.standard_error)

    def to_json(self) -> dict[str, Any]:
        return {"value": number_to_json(self.value), "se": number_to_json(self.standard_error)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Measurement:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        return Measurement(float(value["value"]), float(value["se"]))


@final
@dataclass(frozen=True, eq=False)
class Estimate:
    """A value and the samples' influences on it; an empty array where that side contributes nothing.

    generated: float64 (n,), influence of each generated sample.
    reference: float64 (m,), influence of each reference sample (or of each group of them).
    The mean of each array is irrelevant: only its variance is used.
    """

    value: float
    generated: F64
    reference: F64

    @property
    def measurement(self) -> Measurement:
        return Measurement(self.value, math.sqrt(_variance(self.generated) + _variance(self.reference)))

    def minus(self, other: Estimate) -> Measurement:
        """`self - other`, both taken against the same reference samples in the same order.

        SE² = var(IF_a)/n_a + var(IF_b)/n_b + var(IF_ref,a - IF_ref,b)/n_ref.
        """
        assert self.reference.shape == other.reference.shape, "not measured against the same reference"
        variance = _variance(self.generated) + _variance(other.generated) + _variance(self.reference - other.reference)
        return Measurement(self.value - other.value, math.sqrt(variance))


def _variance(influences: F64) -> float:
    """Variance of the mean of `influences`."""
    count = len(influences)
    if count == 0:
        return 0.0
    return float(np.var(influences, ddof=1)) / count if count > 1 else math.inf


def number_to_json(value: float) -> float | str:
    """JSON has no NaN and no infinity: those become strings, which `float` reads back."""
    return value if math.isfinite(value) else str(value)
