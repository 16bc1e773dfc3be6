"""What `compare` found of a challenger beside the champion: a value, as it is stored and signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from ganops.evaluation.estimate import Measurement
from ganops.evaluation.protocol import Protocol
from ganops.files import digest_json

FORMAT = 2


@final
@dataclass(frozen=True)
class Contrast:
    """One metric of both models. improvement: of the challenger over the champion, positive when it is better,
    with the shared reference paired. Champion and improvement are None where there is no champion."""

    challenger: Measurement
    champion: Measurement | None
    improvement: Measurement | None

    def to_json(self) -> dict[str, Any]:
        return {
            "challenger": self.challenger.to_json(),
            "champion": self.champion.to_json() if self.champion else None,
            "improvement": self.improvement.to_json() if self.improvement else None,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Contrast:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        champion, improvement = value["champion"], value["improvement"]
        return Contrast(
            Measurement.from_json(value["challenger"]),
            Measurement.from_json(champion) if champion is not None else None,
            Measurement.from_json(improvement) if improvement is not None else None,
        )


@final
@dataclass(frozen=True)
class Comparison:
    """All that the gate decides on. challenger, champion: snapshot digests; champion None before the first one."""

    challenger: str
    champion: str | None
    protocol: Protocol
    metrics: Mapping[str, Contrast]

    @property
    def sha256(self) -> str:
        """Digest of the whole: what a decision is based on."""
        return digest_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "challenger": self.challenger,
            "champion": self.champion,
            "metrics": {name: contrast.to_json() for name, contrast in self.metrics.items()},
            "protocol": self.protocol.to_json(),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Comparison:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, not {FORMAT}")
        champion = value["champion"]
        return Comparison(
            challenger=str(value["challenger"]),
            champion=str(champion) if champion is not None else None,
            protocol=Protocol.from_json(value["protocol"]),
            metrics={name: Contrast.from_json(item) for name, item in value["metrics"].items()},
        )
