"""What a checkpoint says of itself beside its tensors: checked once, where it is read."""

from __future__ import annotations

from typing import Annotated, Any, Self, final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

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

    best_score: a Fréchet distance; None where nothing finite was scored yet. best_images_seen: 0 where nothing was
    scored at all. lines: as they were logged. processes: that trained together; None in older checkpoints.
    """

    model_config = _CHECKED

    key: str
    format: int
    memory_format: str
    threads: PositiveInt
    device: str
    processes: PositiveInt | None = None
    precision: Annotated[str, Field(pattern="^(float32|bfloat16)$")]
    micro_batch: PositiveInt
    images_seen: NonNegativeInt
    seconds: NonNegativeFloat
    evaluation_seconds: NonNegativeFloat
    best_score: NonNegativeFloat | None
    best_images_seen: NonNegativeInt
    lines: list[Annotated[dict[str, Any], AfterValidator(_checked)]]
    moves: list[str] = []

    @model_validator(mode="after")
    def _best_was_seen(self) -> Self:
        logged = [(line["images_seen"], line["fd"]) for line in self.lines]
        if self.best_score is not None and (self.best_images_seen, self.best_score) not in logged:
            raise ValueError("no line has the best score")
        if self.best_images_seen > self.images_seen:
            raise ValueError("the best generator is of a later moment")
        return self
