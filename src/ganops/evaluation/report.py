"""What `evaluate` found of one candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from ganops.evaluation.classes import ClassRow
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.intervals import shown_interval
from ganops.evaluation.offender import Offender
from ganops.evaluation.protocol import Protocol

FORMAT = 2


def tracked_name(metric: str) -> str:
    """What a metric is called in a candidate's run, where `fd` is the curve that its training has drawn."""
    return "plain_fd" if metric == "fd" else metric


@final
@dataclass(frozen=True)
class EvaluationReport:
    """A candidate's scores on `select`, each with its standard error, and how they were come by.

    metrics: `fd_star`, the score that candidates are compared by, and those of `judge.Metric` that apply.
    classes: shares and coverage of each class, where the extractor knows classes.
    offenders: rows of generated images, and those of the `train` split's images that they lie suspiciously near to.
    """

    candidate: str
    snapshot_sha256: str
    protocol: Protocol
    metrics: Mapping[str, Measurement]
    classes: tuple[ClassRow, ...] = ()
    offenders: tuple[Offender, ...] = ()

    @property
    def score_name(self) -> str:
        """What the Fréchet distance is called: `fid`, or `fd_<extractor>@<sha8>`."""
        return self.protocol.score

    @property
    def fd_star(self) -> Measurement:
        """The score that candidates are chosen by, with its standard error."""
        return self.metrics["fd_star"]

    def figures(self) -> dict[str, float]:
        """Every finite figure by the name that a tracker keeps it under."""
        figures: dict[str, float] = {}
        for metric, item in self.metrics.items():
            name = tracked_name(metric)
            figures |= {name: item.value, f"{name}_se": item.standard_error}
        return {name: value for name, value in figures.items() if math.isfinite(value)}

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "candidate": self.candidate,
            "snapshot_sha256": self.snapshot_sha256,
            "score": self.protocol.score,
            "metrics": {name: _with_interval(name, item) for name, item in self.metrics.items()},
            "classes": [row.to_json() for row in self.classes],
            "offenders": [vars(offender) for offender in self.offenders],
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
            classes=tuple(ClassRow.from_json(row) for row in value["classes"]),
            offenders=tuple(_offender(item) for item in value["offenders"]),
        )


def _offender(value: Mapping[str, Any]) -> Offender:
    return Offender(int(value["generated"]), int(value["train"]), float(value["nearness"]))


def _with_interval(name: str, item: Measurement) -> dict[str, Any]:
    low, high = shown_interval(name, item)
    return {**item.to_json(), "low": _number(low), "high": _number(high)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
