"""What asking the gate about a version came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from ganops.evaluation.comparison import Comparison
from ganops.gate import PromotionDecision
from ganops.ports import ModelVersion

Outcome = Literal["promoted", "kept-champion", "pending", "unchanged"]


@final
@dataclass(frozen=True)
class Promotion:
    """decision is None where challenger and champion are one model already."""

    outcome: Outcome
    challenger: ModelVersion
    champion: ModelVersion | None
    comparison: Comparison | None
    decision: PromotionDecision | None
    sentence: str
