"""The sections of data: what is taken, how it is divided, and what the validation asks of it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ganops.config.section import Fraction, PositiveInt, Section, Seed, require_order, whole_number

Severity = Literal["critical", "warning"]
_GreyMode = Literal["1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"]
_ColourMode = Literal["P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"]
ImageMode = Literal[_GreyMode, _ColourMode]
"""Pillow's modes of the images that can be read."""


class SplitConfig(Section):
    """How images are divided; see `data.split.split_of`."""

    by: Literal["hash", "source"] = "hash"
    seed: Seed = 0
    select: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15
    test: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15


class DataConfig(Section):
    """What an image looks like once it is prepared."""

    image_size: tuple[Annotated[int, Field(ge=8, le=256)], Annotated[int, Field(ge=8, le=256)]] | None = None
    """[height, width] in pixels; null keeps the images' own size, which must then be one."""
    channels: Annotated[Literal[1, 3] | None, BeforeValidator(whole_number)] = None
    """1 (grey), 3 (RGB) or null: as most of the images are."""
    split: SplitConfig = SplitConfig()


class Rule(Section):
    """One expectation. `critical` blocks the flow, `warning` is recorded."""

    severity: Severity = "critical"


class RowRule(Rule):
    """An expectation on every image, of which a share `mostly` has to meet it."""

    mostly: Fraction = 1.0


class ImageCountRule(Rule):
    min: PositiveInt = 500


class SizeRule(RowRule):
    min: tuple[PositiveInt, PositiveInt] = (8, 8)
    max: tuple[PositiveInt, PositiveInt] = (4096, 4096)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for least, most in zip(self.min, self.max, strict=True):
            require_order("min", least, "max", most)
        return self


class ModeRule(RowRule):
    allowed: Annotated[tuple[ImageMode, ...], Field(min_length=1)] = ("1", "L", "P", "RGB", "RGBA")


class LabelBalanceRule(Rule):
    """Share of the rarest and of the most frequent label; says nothing of unlabelled data."""

    severity: Severity = "warning"
    min_share: Fraction = 0.01
    max_share: Fraction = 0.9

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        require_order("min_share", self.min_share, "max_share", self.max_share)
        return self


class BandRule(RowRule):
    """A band, in grey levels 0-255, that a statistic of each image has to lie in."""

    severity: Severity = "warning"
    mostly: Fraction = 0.99
    min: Annotated[float, Field(ge=0, le=255)] = 1.0
    max: Annotated[float, Field(ge=0, le=255)] = 254.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        require_order("min", self.min, "max", self.max)
        return self


class ValidateConfig(Section):
    """The expectations on the raw images, judged by Great Expectations."""

    image_count: ImageCountRule = ImageCountRule()
    decodable: RowRule = RowRule()
    unique: Rule = Rule()
    size: SizeRule = SizeRule()
    mode: ModeRule = ModeRule()
    label_balance: LabelBalanceRule = LabelBalanceRule()
    brightness: BandRule = BandRule()
    contrast: BandRule = BandRule(min=1.0, max=128.0)
    not_constant: RowRule = RowRule()
