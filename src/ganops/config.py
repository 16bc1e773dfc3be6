"""The configuration: one frozen, typed class per section of `params.yaml`.

`parse(mapping)` is the only way in. Every mistake becomes one `ConfigError` that names
the field, the value and what is allowed; an unknown key names the nearest right one.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from ganops.errors import ConfigError, UnknownName

Severity = Literal["critical", "warning"]
_GreyMode = Literal["1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"]
_ColourMode = Literal["P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"]
ImageMode = Literal[_GreyMode, _ColourMode]
"""Pillow's modes of the images that can be read."""
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(gt=0, le=2**31 - 1)]
PositiveFloat = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
MAX_SEED = 2**31 - 1
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
ImageCount = Annotated[int, Field(ge=100, le=1_000_000)]
"""Of generated images: their features are held in memory."""
_LENGTHS_KIMG = (0.001, 1_000_000.0)
"""From one image to a thousand million."""


def _require_order(least_name: str, least: float, most_name: str, most: float) -> None:
    if least > most:
        raise ValueError(f"{least_name} ({least:g}) is greater than {most_name} ({most:g}), so that nothing would pass")


def _plain_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value):
        raise ValueError("must start with a letter and hold only letters, digits, - and _")
    return value


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_plain_name)]


def _whole_number(value: object) -> object:
    """In Python `True == 1`, so that a literal 1 would take `true` for itself."""
    if value is not None and type(value) is not int:
        raise ValueError("must be a whole number, or null")
    return value


class Section(BaseModel):
    """A part of `params.yaml`: frozen, an unknown key is an error, and no text or truth value counts as a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=False)


# ---------------------------------------------------------------- data and its validation


class SplitConfig(Section):
    """How images are divided; see `data.split.split_of`."""

    by: Literal["hash", "source"] = "hash"
    seed: Seed = 0
    select: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15
    test: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.15


class DataConfig(Section):
    """What an image looks like once it is prepared."""

    image_size: tuple[Annotated[int, Field(ge=8, le=128)], Annotated[int, Field(ge=8, le=128)]] | None = None
    """[height, width] in pixels; null keeps the images' own size, which must then be one."""
    channels: Annotated[Literal[1, 3] | None, BeforeValidator(_whole_number)] = None
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
            _require_order("min", least, "max", most)
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
        _require_order("min_share", self.min_share, "max_share", self.max_share)
        return self


class BandRule(RowRule):
    """A band, in grey levels 0-255, that a statistic of each image has to lie in."""

    severity: Severity = "warning"
    mostly: Fraction = 0.99
    min: Annotated[float, Field(ge=0, le=255)] = 1.0
    max: Annotated[float, Field(ge=0, le=255)] = 254.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _require_order("min", self.min, "max", self.max)
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


# ---------------------------------------------------------------- measuring


class ReferenceConfig(Section):
    """The pinned extractor that generators are judged by, and its reference features."""

    extractor: Literal["classifier"] = "classifier"
    seed: Seed = 0
    features: Annotated[int, Field(ge=8, le=2048)] = 128
    """Width of the feature layer; a pinned PCA reduces it where a split has under 10 images per dimension."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 4
    batch_size: Annotated[int, Field(ge=8, le=8192)] = 128
    min_accuracy: Fraction = 0.7
    """Held-out accuracy under which the extractor is refused as a judge."""


class EvaluateConfig(Section):
    """How a candidate is measured on `select`."""

    num_images: ImageCount = 10_000
    seed: Seed = 0


# ---------------------------------------------------------------- training

Family = Literal["dcgan", "lite"]
Objective = Literal["non_saturating", "relativistic"]
FAMILIES: tuple[str, ...] = get_args(Family)
OBJECTIVES: tuple[str, ...] = get_args(Objective)


class TrainConfig(Section):
    """What all candidates share. Lengths are in kimg: thousands of real images shown."""

    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    batch_size: Annotated[int, Field(ge=2, le=8192)] = 64
    evaluate_every_kimg: PositiveFloat = 50.0
    evaluate_images: Annotated[int, Field(ge=100)] = 2000
    checkpoint_every_kimg: PositiveFloat = 25.0


class CandidateConfig(Section):
    """One candidate: a network family, an objective and its optimiser."""

    family: Family
    objective: Objective
    kimg: PositiveFloat = 1000.0
    gamma: NonNegativeFloat = 0.0
    """Weight of the R1 and R2 gradient penalties; 0 turns them off."""
    generator_lr: PositiveFloat = 1e-3
    discriminator_lr: PositiveFloat = 1e-3
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.5, 0.999)
    z_dim: Annotated[int, Field(ge=2, le=1024)] = 64
    width: Annotated[int, Field(ge=4, le=1024)] = 32
    """Channels of the finest feature maps; coarser ones have up to eight times as many."""
    ema_half_life_kimg: NonNegativeFloat = 10.0
    instance_noise: NonNegativeFloat = 0.0
    """Deviation of the noise that blurs what the discriminator sees, falling to 0 at the end; images span 2."""
    promotable: bool = True

    @model_validator(mode="after")
    def _no_gradient_penalty_through_batch_norm(self) -> Self:
        if self.family == "dcgan" and self.gamma > 0:
            raise ValueError(
                "gamma must be 0 with family dcgan: its discriminator has batch norm, which mixes the images "
                "of a batch, so a per-image gradient penalty is undefined; use family lite"
            )
        return self


# ---------------------------------------------------------------- the gate and the rest


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
    first: FirstPromotionConfig = FirstPromotionConfig()
    guards: GuardsConfig = GuardsConfig()


class ModelConfig(Section):
    name: Name = "generator"
    """The registered model's name in MLflow."""


class RunConfig(Section):
    parallel: Annotated[int, Field(ge=1, le=64)] = 2
    """Candidates trained side by side."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """Retries of a step that a passing fault (a killed process, a busy server) may have ended."""


class GitConfig(Section):
    commit: bool = True
    """Commit pointers, lock file and journal after `data add` and after a run."""


def _lengths_can_be_trained(train: TrainConfig) -> TrainConfig:
    _require_length("evaluate_every_kimg", train.evaluate_every_kimg)
    _require_length("checkpoint_every_kimg", train.checkpoint_every_kimg)
    if train.evaluate_images > (most := 1_000_000):
        raise ValueError(f"evaluate_images is {train.evaluate_images}, but must be at most {most}")
    return train


def _length_can_be_trained(candidate: CandidateConfig) -> CandidateConfig:
    _require_length("kimg", candidate.kimg)
    return candidate


def _require_length(name: str, kimg: float) -> None:
    least, most = _LENGTHS_KIMG
    if not least <= kimg <= most:
        raise ValueError(f"{name} is {kimg:g}, but must be from {least:g} (one image) to {most:g}")


class Config(Section):
    """The whole of `params.yaml`."""

    model: ModelConfig = ModelConfig()
    seed: Seed = 0
    data: DataConfig = DataConfig()
    validation: ValidateConfig = ValidateConfig()
    reference: ReferenceConfig = ReferenceConfig()
    train: Annotated[TrainConfig, AfterValidator(_lengths_can_be_trained)] = TrainConfig()
    candidates: Annotated[
        dict[Name, Annotated[CandidateConfig, AfterValidator(_length_can_be_trained)]], Field(min_length=1)
    ]
    evaluate: EvaluateConfig = EvaluateConfig()
    gate: GateConfig = GateConfig()
    run: RunConfig = RunConfig()
    git: GitConfig = GitConfig()

    @field_validator("candidates")
    @classmethod
    def _names_differ_everywhere(cls, candidates: dict[str, CandidateConfig]) -> dict[str, CandidateConfig]:
        """Names become folders, on some disks without regard to case, and keys in Prefect's pages."""
        seen: dict[str, str] = {}
        for name in candidates:
            other = seen.setdefault(name.lower().replace("_", "-"), name)
            if other != name:
                raise ValueError(f"the names '{other}' and '{name}' differ only in case or in - and _: rename one")
        return candidates

    def candidate(self, name: str) -> CandidateConfig:
        """The candidate of that name; `UnknownName` lists those that exist."""
        if name not in self.candidates:
            raise UnknownName(
                f"There is no candidate '{name}' in params.yaml{_nearest(name, self.candidates)}. "
                f"Candidates: {', '.join(self.candidates)}."
            )
        return self.candidates[name]


# ---------------------------------------------------------------- reading it


def parse(mapping: Mapping[str, Any], where: str = "params.yaml") -> Config:
    """A checked `Config` from plain data.

    Raises:
        ConfigError: one paragraph that names every wrong field, its value and what is allowed.
    """
    try:
        return Config.model_validate(_with_tuples(mapping))
    except ValidationError as error:
        complaints = "; ".join(_complaint(detail) for detail in error.errors())
        raise ConfigError(f"{where} cannot be used: {complaints}.") from None


def _with_tuples(value: Any) -> Any:
    """YAML has lists only; where types are strict, a list is no tuple."""
    if isinstance(value, Mapping):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(_with_tuples(item) for item in value) if isinstance(value, list) else value


def _complaint(detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    path = ".".join(str(part) for part in detail["loc"] if part != "[key]")
    if kind == "extra_forbidden":
        known = list(_known_keys(detail["loc"][:-1]))
        return f"unknown key '{path}'{_nearest(str(detail['loc'][-1]), known)} (known here: {', '.join(known)})"
    if kind == "missing":
        return f"'{path}' is missing"
    if kind in ("int_type", "float_type") and (number := _number_meant(value, whole=kind == "int_type")):
        return f"'{path}' is {'the text ' * isinstance(value, str)}{value!r}: write {number}"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if kind == "value_error" and isinstance(value, Mapping):  # of a whole section, which nobody wants to read again
        return f"'{path}': {message}"
    return f"'{path}' is {_as_yaml(value)}, but {message}"


def _number_meant(value: object, whole: bool) -> str | None:
    """How to write a number that was written as text, or with a point where a whole one is asked."""
    try:
        number = float(value) if isinstance(value, str | float) else math.nan
    except ValueError:
        return None
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return None
    if whole:
        return str(int(number))
    text = str(value).strip().lower()
    point = text if "." in text else text.replace("e", ".0e")  # YAML 1.1 reads 1e-3 as text
    return f"{point}, without quotes"


def _as_yaml(value: Any) -> str:
    """A wrong value as it stands in the file, or what kind of thing it is where that is long."""
    if isinstance(value, Mapping):
        return "a section"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    shown = f"[{', '.join(map(repr, value))}]" if isinstance(value, tuple) else repr(value)
    return shown if len(shown) <= 100 else f"{shown[:100]}…"


def _known_keys(loc: tuple[int | str, ...]) -> Iterator[str]:
    """The keys that the section at `loc` allows."""
    section: type[BaseModel] = Config
    for part in loc:
        if section is Config and part == "candidates":
            section = CandidateConfig
        elif part in section.model_fields:
            annotation = section.model_fields[str(part)].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                section = annotation
    yield from section.model_fields


def _nearest(word: str, known: Any) -> str:
    match = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean '{match[0]}'?" if match else ""
