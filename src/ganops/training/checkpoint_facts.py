"""What a checkpoint says of itself beside its tensors: checked once, where it is read."""

from __future__ import annotations

from typing import Annotated, Any, final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

_CHECKED = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


@final
class _Line(BaseModel):
    """What guard and log read of a line of statistics; see `lines`."""

    model_config = _CHECKED

    images_seen: NonNegativeInt
    kimg: NonNegativeFloat
    total_kimg: NonNegativeFloat
    grad_norm_generator: float | None
    real_logit: float | None
    fake_logit: float | None
    not_finite: list[str]
    fd: float | None
    diversity: float | None
    best_fd: float | None
    event: str | None = None


def _checked(line: dict[str, Any]) -> dict[str, Any]:
    _Line.model_validate(line)
    return line


@final
class Facts(BaseModel):
    """Everything of a training's state that is no tensor, and what it was made with.

    best_score: None where nothing finite was scored yet. lines: as they were logged.
    """

    model_config = _CHECKED

    key: str
    format: int
    memory_format: str
    threads: PositiveInt
    device: str
    precision: Annotated[str, Field(pattern="^(float32|bfloat16)$")]
    micro_batch: PositiveInt
    images_seen: NonNegativeInt
    seconds: NonNegativeFloat
    evaluation_seconds: NonNegativeFloat
    best_score: float | None
    best_images_seen: NonNegativeInt
    lines: list[Annotated[dict[str, Any], AfterValidator(_checked)]]
    moves: list[str] = []
