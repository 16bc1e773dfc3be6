"""The sections of promotion: what the gate asks, and how promoters keep out of each other's way."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ganops.config.section import ImageCount, NonNegativeFloat, PositiveFloat, Section


class FirstPromotionConfig(Section):
    """With no champion to beat, an absolute bound decides."""

    max_fd: PositiveFloat = 50.0


class GuardConfig(Section):
    """A non-inferiority margin: the challenger may be worse by less than this."""

    margin: NonNegativeFloat
    enabled: bool = True


class GuardsConfig(Section):
    """Each has a veto."""

    kernel_distance: GuardConfig = GuardConfig(margin=0.01)
    """In units of the reference's spread: 0 is the reference itself, 1 is one and the same real image for ever."""
    coverage: GuardConfig = GuardConfig(margin=0.1)
    recall: GuardConfig = GuardConfig(margin=0.1)
    class_coverage: GuardConfig = GuardConfig(margin=0.1)
    memorisation: GuardConfig = GuardConfig(margin=0.1)
    """Not a margin to the champion but an absolute alarm, on the first promotion too."""


class GateConfig(Section):
    """The promotion policy; see `gate.decide`."""

    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    min_improvement: NonNegativeFloat = 0.0
    num_images: ImageCount = 10_000
    policy: Literal["standard", "manual"] = "standard"
    """manual: a person has the last word on what the gate would promote."""
    require_signature: bool = False
    """Whether a version that is not signed can become champion."""
    first: FirstPromotionConfig = FirstPromotionConfig()
    guards: GuardsConfig = GuardsConfig()


class PromotionConfig(Section):
    """How promotions keep out of each other's way."""

    lock: str = "file"
    """`file`: in this workspace; a PostgreSQL DSN, or env:NAME for one, where several workspaces promote one model."""
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """How long to wait for another promotion, and its scoring, to end."""

    @model_validator(mode="after")
    def _is_a_lock(self) -> Self:
        # of the whole section, so that the message does not repeat a value that holds a password
        if _HAS_PASSWORD.search(self.lock):
            raise ValueError(
                "lock holds a password, which git would keep for ever: leave it out, and put it into PGPASSWORD or a "
                "pgpass file; or write `lock: env:NAME`, and the whole DSN into the environment variable NAME"
            )
        if not (self.lock == "file" or _ENVIRONMENT.fullmatch(self.lock) or _DSN.match(self.lock)):
            raise ValueError(
                "lock must be `file`, a PostgreSQL DSN (postgresql://USER@HOST/DATABASE), or env:NAME for an "
                "environment variable that holds one"
            )
        return self


_ENVIRONMENT = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_DSN = re.compile(r"postgres(ql)?://|[a-z_]+ *= *\S")
_HAS_PASSWORD = re.compile(r"://[^@]*:[^@]+@|\b(ssl)?password *=", re.IGNORECASE)
