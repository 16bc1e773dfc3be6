"""What registering came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ganops.ports import ModelVersion


@final
@dataclass(frozen=True)
class Registration:
    """The challenger, and whether it is a new version."""

    version: ModelVersion
    candidate: str
    new: bool
    sentence: str
