"""Seeds that are no setting: the same for every training, so that its curves and samples compare over time."""

from __future__ import annotations

SCORE_SEED = 0
"""Of the latents that a training is scored with."""
SAMPLE_SEED = 0
"""Of the latents that its sheets of samples show."""
