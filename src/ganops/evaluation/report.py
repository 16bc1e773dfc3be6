"""What `evaluate` found of one candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from ganops.evaluation.estimate import Measurement
from ganops.evaluation.protocol import Protocol

FORMAT = 1


@final
@dataclass(frozen=True)
class EvaluationReport:
    """A candidate's scores on `select`, each with its standard error, and how they were come by.

    metrics: `fd_star`, the score that candidates are compared by, and the others of `judge.Metric`.
    plain_fd: the Fréchet distance without extrapolation, as the literature reports it.
    """

    candidate: str
    snapshot_sha256: str
    protocol: Protocol
    metrics: Mapping[str, Measurement]
    plain_fd: float

    @property
    def score_name(self) -> str:
        """What the Fréchet distance is called: `fd_<extractor>@<sha8>`."""
        return self.protocol.score

    @property
    def fd_star(self) -> Measurement:
        """The score that candidates are chosen by, with its standard error."""
        return self.metrics["fd_star"]

    def figures(self) -> dict[str, float]:
        """Every finite figure by name, for a tracker."""
        figures = {"plain_fd": self.plain_fd}
        for name, item in self.metrics.items():
            figures |= {name: item.value, f"{name}_se": item.standard_error}
        return {name: value for name, value in figures.items() if math.isfinite(value)}

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "candidate": self.candidate,
            "snapshot_sha256": self.snapshot_sha256,
            "score": self.protocol.score,
            "metrics": {
                name: {**item.to_json(), "low": _number(item.low), "high": _number(item.high)}
                for name, item in self.metrics.items()
            },
            "plain_fd": self.plain_fd,
            "protocol": self.protocol.to_json(),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> EvaluationReport:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, not {FORMAT}")
        return EvaluationReport(
            candidate=str(value["candidate"]),
            snapshot_sha256=str(value["snapshot_sha256"]),
            protocol=Protocol.from_json(value["protocol"]),
            metrics={name: Measurement.from_json(item) for name, item in value["metrics"].items()},
            plain_fd=float(value["plain_fd"]),
        )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
