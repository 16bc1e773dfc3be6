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
from pydantic_core import ErrorDetails, PydanticCustomError

from ganops.errors import ConfigError, UnknownName
from ganops.presets import PRESETS

Severity = Literal["critical", "warning"]
_GreyMode = Literal["1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"]
_ColourMode = Literal["P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"]
ImageMode = Literal[_GreyMode, _ColourMode]
"""Pillow's modes of the images that can be read."""
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(gt=0, le=2**31 - 1)]
PositiveFloat = Annotated[float, Field(gt=0.0)]
NonNegativeFloat = Annotated[float, Field(ge=0.0)]
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


def _auto_or_bool(value: object) -> object:
    """`1 == True`, and `-0.0 == False`: a literal would take them for each other."""
    if not isinstance(value, str | bool):
        raise ValueError("must be auto, true or false")
    return value


AutoOrBool = Annotated[Literal["auto", True, False], BeforeValidator(_auto_or_bool)]


class Section(BaseModel):
    """A part of `params.yaml`: frozen, an unknown key is an error, all numbers are finite, and no text or truth value
    counts as a number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=False)


# ---------------------------------------------------------------- data and its validation


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


def _hex_digest(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("must be the 64 hexadecimal digits, in quotes, that `sha256sum FILE` prints")
    return value


Sha256 = Annotated[str, AfterValidator(_hex_digest)]
ImageSide = Annotated[int, Field(ge=8, le=1024)]
Extraction = Literal["auto", "classifier", "pretext", "inception", "custom"]


def _tap_as_text(value: object) -> object:
    """YAML reads 2048 as a number."""
    return str(value) if type(value) is int else value


class InceptionConfig(Section):
    """Of extractor inception; see `evaluation.extractors.inception`."""

    weights: Annotated[str, Field(min_length=1)] | None = None
    """The published file, from the workspace's root; null: from the cache, downloaded once."""
    tap: Annotated[Literal["64", "192", "768", "2048", "logits_unbiased", "logits"], BeforeValidator(_tap_as_text)] = (
        "2048"
    )


class PreprocessingConfig(Section):
    """What a custom network takes: images are resized to `size`, scaled to `range`, less `mean`, over `std`."""

    size: tuple[ImageSide, ImageSide] = (224, 224)
    """[height, width]; bilinear, antialiased where it shrinks, half-pixel centres."""
    channels: Annotated[Literal[1, 3], BeforeValidator(_whole_number)] = 3
    """Grey is repeated to 3; colour becomes grey by its luminance (Rec. 601)."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    range: tuple[float, float] = (0.0, 1.0)
    """What 0 and 255 become."""
    mean: Annotated[tuple[float, ...], Field(min_length=1, max_length=3)] = (0.0,)
    std: Annotated[tuple[PositiveFloat, ...], Field(min_length=1, max_length=3)] = (1.0,)
    """One number for all channels, or one for each."""

    @model_validator(mode="after")
    def _fits_the_channels(self) -> Self:
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (1, self.channels):
                raise ValueError(f"{name} must have one number, or as many as there are channels ({self.channels})")
        if self.range[0] == self.range[1]:
            raise ValueError("range has the same number twice, so that all images would be the same")
        return self


class CustomConfig(Section):
    """Of extractor custom: a network of the user's, as ONNX."""

    onnx: Annotated[str, Field(min_length=1)] | None = None
    """The file, from the workspace's root."""
    sha256: Sha256 | None = None
    preprocessing: PreprocessingConfig = PreprocessingConfig()


class ReferenceConfig(Section):
    """The pinned extractor that generators are judged by, and its reference features."""

    extractor: Extraction = "auto"
    """auto: classifier where every image has one of two or more labels, else pretext."""
    seed: Seed = 0
    features: Annotated[int, Field(ge=8, le=2048)] = 128
    """Width of the feature layer that is trained; a pinned PCA reduces any extractor's features where a split has
    under 10 images per dimension."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 5
    """At most; a training that no longer gets better on held-out images ends early."""
    batch_size: Annotated[int, Field(ge=8, le=8192)] = 256
    min_accuracy: Fraction = 0.7
    """Held-out accuracy under which a classifier is refused as a judge."""
    inception: InceptionConfig = InceptionConfig()
    custom: CustomConfig = CustomConfig()

    @model_validator(mode="after")
    def _a_custom_extractor_is_named(self) -> Self:
        if self.extractor == "custom" and (self.custom.onnx is None or self.custom.sha256 is None):
            raise ValueError("extractor custom needs custom.onnx (the file) and custom.sha256 (its digest)")
        return self


class EvaluateConfig(Section):
    """How a candidate is measured on `select`; where and by how many processes holds for the gate, too."""

    num_images: ImageCount = 10_000
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """That divide the images among themselves; on CUDA each has a device of its own."""


# ---------------------------------------------------------------- training

Family = Literal["conv_flat", "dense_dcgan", "bn_conv_gan", "rgan", "mlp_gan", "dcgan", "sngan", "lite", "r3gan"]
Objective = Literal["minimax", "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic"]
FAMILIES: tuple[str, ...] = get_args(Family)
OBJECTIVES: tuple[str, ...] = get_args(Objective)
BATCH_NORM_FAMILIES = frozenset({"bn_conv_gan", "dcgan"})
"""Families whose discriminator has batch norm; a test compares it with `models.FAMILIES`."""
SPECTRAL_NORM_FAMILIES = frozenset({"sngan"})
"""Families whose discriminator always has spectral norm."""
BASELINE_FAMILIES = frozenset({"mlp_gan"})
"""Families that are trained and compared, and promoted only if the candidate says so."""
Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainingGuardConfig(Section):
    """When a training goes back, and when it is given up; see `training.guard`."""

    max_rollbacks: Annotated[int, Field(ge=0, le=20)] = 3
    """How often a training with a number that is not finite goes back to its last checkpoint."""
    lr_factor: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """What each time does to both learning rates."""
    grace: Fraction = 0.25
    """Share of the training during which low diversity and a high distance are youth, not collapse."""
    diversity_floor: NonNegativeFloat = 0.05
    """Total variance of generated features over the reference's, under which a generator has collapsed."""
    diversity_patience: PositiveInt = 2
    """Evaluations in a row under the floor that end a training."""
    fd_factor: Annotated[float, Field(gt=1.0)] = 2.0
    """How many times its best the Fréchet distance may be."""
    fd_patience: PositiveInt = 6
    """Evaluations in a row above that which end a training."""
    vanished: NonNegativeFloat = 1e-7
    """Norm of the generator's gradient under which it learns nothing: the discriminator has won."""
    lost: NonNegativeFloat = 1e-7
    """Difference of the mean logits under which real and generated are the same to a discriminator that has lost."""
    patience: PositiveInt = 10
    """Lines of statistics in a row of either that end a training."""


def _device(value: str) -> str:
    # torch keeps the number in eight bits: to it, cuda:256 is cuda:0
    if not re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]?))?", value):
        raise ValueError("must be auto, cpu, cuda, or cuda: and the number of a GPU, from 0 to 99")
    return value


class TrainConfig(Section):
    """What all candidates share. Lengths are in kimg: thousands of real images shown."""

    device: Annotated[str, AfterValidator(_device)] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    deterministic: bool = False
    """On CUDA, only kernels that give the same bits each time. A CPU always does."""
    batch_size: Annotated[int, Field(ge=1, le=8192)] = 64
    micro_batch: PositiveInt | None = None
    """Images at a time whose gradients are summed up to a batch's; null is the whole batch."""
    resident: AutoOrBool = "auto"
    """Whether the training images are copied to the device, or read as they are needed; see `training.images`."""
    cuda_graph: AutoOrBool = "auto"
    """Whether the step is recorded as a CUDA graph and replayed; see `training.captured`."""
    evaluate_every_kimg: PositiveFloat = 50.0
    evaluate_images: Annotated[int, Field(ge=100)] = 2000
    checkpoint_every_kimg: PositiveFloat = 25.0
    checkpoints: PositiveInt = 2
    """How many are kept; each holds the best generator so far."""
    checkpoints_mb: PositiveFloat = 4096.0
    """Size above which older ones are dropped earlier; the newest always stays."""
    launcher: Literal["process", "torchrun"] = "process"
    """torchrun: each candidate in several processes, which divide every batch among them; see `training.ranks`."""
    processes: Annotated[int, Field(ge=1, le=64)] | None = None
    """Of torchrun; null: one for each GPU of the machine, or two on CPUs."""
    timeout_seconds: Annotated[float, Field(ge=5, le=86_400)] = 600.0
    """After which torchrun's processes take one that does not answer for dead; longer than an evaluation takes."""
    guard: TrainingGuardConfig = TrainingGuardConfig()

    @model_validator(mode="after")
    def _one_way_to_divide_a_batch(self) -> Self:
        if self.launcher == "process":
            if self.processes is not None:
                raise ValueError("processes belongs to launcher torchrun; set that, or processes: null")
            return self
        if self.micro_batch is not None:
            raise ValueError(
                "micro_batch and launcher torchrun both take a batch in parts; set micro_batch: null, and a process "
                "whose part does not fit in memory divides it further by itself"
            )
        if self.processes is not None and (refusal := self.undivided(self.processes)):
            raise ValueError(refusal)
        return self

    def undivided(self, processes: int) -> str | None:
        """Why a batch cannot be divided evenly among `processes`, and what to do; None where it can."""
        size = self.batch_size
        if size % processes == 0:
            return None
        fewer = max(count for count in range(1, processes) if size % count == 0)
        return (
            f"batch_size {size} cannot be divided evenly among {processes} processes; set batch_size: "
            f"{-(-size // processes) * processes}, or processes: {fewer}"
        )


class BurnInConfig(Section):
    """What changes over the first `kimg`, along half a cosine, from the candidate's value to the one here."""

    kimg: NonNegativeFloat = 0.0
    """0: nothing changes."""
    generator_lr: PositiveFloat | None = None
    discriminator_lr: PositiveFloat | None = None
    gamma: NonNegativeFloat | None = None
    beta2: Beta | None = None
    ema_half_life_kimg: NonNegativeFloat | None = None


def _preset(name: object) -> Mapping[str, Any]:
    if isinstance(name, str) and name in PRESETS:
        return PRESETS[name]
    known = ", ".join(PRESETS)
    if isinstance(name, Mapping | tuple):
        raise PydanticCustomError("preset", "preset must be a name (presets: {known})", {"known": known})
    text = _as_text(name)
    said = {"name": _shortened(text), "nearest": _nearest(text, PRESETS), "known": known}
    raise PydanticCustomError("preset", "there is no preset '{name}'{nearest} (presets: {known})", said)


_KEYS_OF_OPTIMIZERS: Mapping[str, tuple[str, ...]] = {
    "betas": ("adam", "adamw"),
    "beta2": ("adam", "adamw"),
    "momentum": ("sgd",),
    "weight_decay": ("adamw",),
}


def _for_optimizer(preset: Mapping[str, Any], optimizer: object) -> Mapping[str, Any]:
    """A preset without its keys that belong to other optimizers than the candidate's own, where it names one."""
    if not isinstance(optimizer, str):
        return preset
    return {
        key: _for_optimizer(value, optimizer) if isinstance(value, Mapping) else value
        for key, value in preset.items()
        if optimizer in _KEYS_OF_OPTIMIZERS.get(key, (optimizer,))
    }


class CandidateConfig(Section):
    """One candidate: a network family, an objective and its optimiser."""

    preset: str | None = None
    """A name of `presets.PRESETS`, whose keys hold where the candidate has none of its own."""
    family: Family
    objective: Objective
    conditional: bool = False
    """Whether both players are told the class; needs labels."""
    kimg: PositiveFloat = 1000.0
    penalty: Literal["r1", "r2", "r1_r2", "gp"] = "r1_r2"
    gamma: NonNegativeFloat = 0.0
    """Weight of the gradient penalty (λ of gp); 0 turns it off."""
    spectral_norm: bool = False
    """Of every layer of the discriminator; sngan always has it."""
    augment: tuple[Literal["color", "translation", "cutout"], ...] = ()
    """What real and generated images go through before the discriminator sees them."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    generator_lr: PositiveFloat = 1e-3
    discriminator_lr: PositiveFloat = 1e-3
    warm_up_kimg: NonNegativeFloat = 5.0
    """Over which both learning rates rise from 0."""
    betas: tuple[Beta, Beta] = (0.5, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    discriminator_steps: Annotated[int, Field(ge=1, le=100)] = 1
    """Batches that the discriminator learns from before the generator learns once."""
    mixed_batch: bool = False
    """Whether the discriminator is shown one batch, half real and half generated, in place of one of each."""
    burn_in: BurnInConfig = BurnInConfig()
    z_dim: Annotated[int, Field(ge=2, le=1024)] | None = None
    """Length of the latent vector; null: as the family's source has it."""
    width: Annotated[int, Field(ge=4, le=1024)] | None = None
    """Channels that all numbers of the family's layers are proportional to; null: as its source has them."""
    ema_half_life_kimg: NonNegativeFloat = 10.0
    instance_noise: NonNegativeFloat = 0.0
    """Deviation of the noise that blurs what the discriminator sees, falling to 0 at the end; images span 2."""
    promotable: bool | None = None
    """null: as the family says."""

    @model_validator(mode="before")
    @classmethod
    def _on_top_of_its_preset(cls, keys: Any) -> Any:
        """A section of the preset (`burn_in`) is merged key by key, too."""
        name = keys.get("preset") if isinstance(keys, Mapping) else None
        if name is None:
            return keys
        preset = _for_optimizer(_preset(name), keys.get("optimizer"))
        merged = {**preset, **keys}
        for key, section in preset.items():
            if isinstance(section, Mapping) and isinstance(keys.get(key), Mapping):
                merged[key] = {**section, **keys[key]}
        return merged

    @property
    def may_be_promoted(self) -> bool:
        """`promotable`, or what the family says."""
        return self.family not in BASELINE_FAMILIES if self.promotable is None else self.promotable

    @property
    def penalised(self) -> bool:
        """Whether there is a gradient penalty at any time."""
        return self.gamma > 0 or (self.burn_in.kimg > 0 and (self.burn_in.gamma or 0.0) > 0)

    @model_validator(mode="after")
    def _no_gradient_penalty_through_batch_norm(self) -> Self:
        if self.penalised and self.family in BATCH_NORM_FAMILIES:
            raise ValueError(
                f"gamma must be 0 with family {self.family}: its discriminator has batch norm, which mixes the images "
                "of a batch, so a per-image gradient penalty is undefined; use family lite"
            )
        return self

    @model_validator(mode="after")
    def _a_penalty_that_is_asked_for_has_a_weight(self) -> Self:
        if "penalty" in self.model_fields_set and "gamma" not in self.model_fields_set and not self.penalised:
            weight = "gamma: 10" if self.penalty == "gp" else "gamma: 1.0"
            raise ValueError(
                f"penalty {self.penalty} has no effect with gamma 0; set gamma (such as {weight}), or leave penalty out"
            )
        return self

    @model_validator(mode="after")
    def _wasserstein_needs_a_bounded_slope(self) -> Self:
        if self.objective != "wasserstein" or self.spectral_norm or self.family in SPECTRAL_NORM_FAMILIES:
            return self
        if self.penalty != "gp" or self.gamma == 0:
            raise ValueError(
                "objective wasserstein measures a distance only if the discriminator's slope is bounded; set penalty: "
                "gp with gamma: 10, or spectral_norm: true"
            )
        if self.burn_in.kimg > 0 and self.burn_in.gamma == 0:
            raise ValueError(
                "objective wasserstein needs its penalty to the end, and burn_in.gamma 0 takes it away; raise "
                "burn_in.gamma, leave it out, or set spectral_norm: true"
            )
        return self

    @model_validator(mode="after")
    def _options_of_another_optimizer(self) -> Self:
        default = type(self).model_fields
        if self.optimizer == "sgd":
            if self.betas != default["betas"].default or self.burn_in.beta2 is not None:
                raise ValueError("betas and burn_in.beta2 belong to adam and adamw; with optimizer sgd set momentum")
        elif self.momentum != default["momentum"].default:
            raise ValueError(f"momentum belongs to optimizer sgd; with {self.optimizer} set betas")
        if (self.weight_decay > 0) != (self.optimizer == "adamw"):
            raise ValueError("weight_decay above 0 and optimizer adamw belong together: set both, or neither")
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
    promotion: PromotionConfig = PromotionConfig()
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
        found = error.errors(include_url=False)
        complaints = [_complaint(detail) for detail in found[:_COMPLAINTS]]
        if more := len(found) - len(complaints):
            complaints.append(f"and {more} more mistakes")
        raise ConfigError(f"{where} cannot be used: {'; '.join(complaints)}.") from None


_COMPLAINTS = 10


def _with_tuples(value: Any) -> Any:
    """YAML has lists only; where types are strict, a list is no tuple."""
    if isinstance(value, Mapping):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(_with_tuples(item) for item in value) if isinstance(value, list) else value


def _complaint(detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    is_key = detail["loc"][-1:] == ("[key]",)
    loc = detail["loc"][:-1] if is_key else detail["loc"]
    path = _dotted(loc)
    if kind == "extra_forbidden":
        known = list(_known_keys(loc[:-1]))
        return f"unknown key '{path}'{_nearest(_as_text(loc[-1]), known)} (known here: {', '.join(known)})"
    if kind == "missing":
        return f"'{path}' is missing"
    if kind == "invalid_key" or (is_key and kind == "string_type"):
        where = f" in '{_dotted(loc[:-1])}'" if loc[:-1] else ""
        return f"the key {_as_yaml(value)}{where} is no name: keys are words"
    if kind in ("int_type", "float_type") and (number := _number_meant(value, whole=kind == "int_type")):
        return f"'{path}' is {'the text ' * isinstance(value, str)}{_as_yaml(value)}: write {number}"
    if kind in ("dict_type", "model_type"):
        return f"'{path}' is {_as_yaml(value)}, but must be a section{_keys_meant(loc)}"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if kind in ("value_error", "preset") and isinstance(value, Mapping):  # of a whole section
        return f"'{path}': {message}"
    if kind == "literal_error":
        message = message.replace("True or False", "true or false")
        near = _nearest(_as_text(value), re.findall(r"'([^']+)'", detail["ctx"]["expected"]))
        message += f" ({near.removeprefix(', ')})" if near else ""
    return f"'{path}' is {_as_yaml(value)}, but {message}"


def _keys_meant(loc: tuple[int | str, ...]) -> str:
    if loc == ("candidates",):
        return " that holds one section for each candidate"
    section = _section_at(loc)
    required = [name for name, field in section.model_fields.items() if field.is_required()]
    first = required or list(section.model_fields)[:1]
    return f" with {' and '.join(f'`{name}: …`' for name in first)}"


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
    if isinstance(value, int) and value.bit_length() > 1000:  # Python refuses to write numbers of thousands of digits
        return "a number of hundreds of digits"
    if isinstance(value, str):
        return _shortened(repr(value[: _SHOWN + 1]))
    if isinstance(value, tuple):
        return _shortened(f"[{', '.join(map(_as_yaml, value[:_SHOWN]))}]")
    return _shortened(repr(value))


_SHOWN = 100
"""Characters of a wrong value."""


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _as_yaml(value)


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(_shortened(_as_text(part)) for part in loc)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _known_keys(loc: tuple[int | str, ...]) -> Iterator[str]:
    """The keys that the section at `loc` allows."""
    yield from _section_at(loc).model_fields


def _section_at(loc: tuple[int | str, ...]) -> type[Section]:
    section: type[Section] = Config
    for part in loc:
        if section is Config and part == "candidates":
            section = CandidateConfig
        elif part in section.model_fields:
            annotation = section.model_fields[str(part)].annotation
            if isinstance(annotation, type) and issubclass(annotation, Section):
                section = annotation
    return section


def _nearest(word: str, known: Any) -> str:
    match = difflib.get_close_matches(word[:_SHOWN], list(known), n=1, cutoff=0.6)
    return f", did you mean '{match[0]}'?" if match else ""
