"""The section of one candidate, on top of a preset where it names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ganops.config.section import NonNegativeFloat, PositiveFloat, Section
from ganops.config.training import BASELINE_FAMILIES, BATCH_NORM_FAMILIES, SPECTRAL_NORM_FAMILIES, Family, Objective
from ganops.config.wording import as_text, nearest, shortened
from ganops.presets import PRESETS

Beta = Annotated[float, Field(ge=0, lt=1)]


class BurnInConfig(Section):
    """What changes over the first `kimg`, along half a cosine, from the candidate's value to the one here."""

    kimg: NonNegativeFloat = 0.0
    """0: nothing changes."""
    generator_lr: PositiveFloat | None = None
    discriminator_lr: PositiveFloat | None = None
    gamma: NonNegativeFloat | None = None
    beta2: Beta | None = None
    ema_half_life_kimg: NonNegativeFloat | None = None

    @model_validator(mode="after")
    def _takes_a_time(self) -> Self:
        ends = [name for name, value in self if name != "kimg" and value is not None]
        if ends and "kimg" not in self.model_fields_set:
            raise ValueError(
                f"{' and '.join(ends)} would have no effect without kimg, over which the burn-in goes; set kimg (0 "
                "turns it off), or leave burn_in out"
            )
        return self


def _preset(name: object) -> Mapping[str, Any]:
    if isinstance(name, str) and name in PRESETS:
        return PRESETS[name]
    known = ", ".join(PRESETS)
    if isinstance(name, Mapping | tuple):
        raise PydanticCustomError("preset", "preset must be a name (presets: {known})", {"known": known})
    text = as_text(name)
    said = {"name": shortened(text), "nearest": nearest(text, PRESETS), "known": known}
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
    spectral_norm: bool | None = None
    """Of every layer of the discriminator; null: as the family has it, which is sngan alone."""
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
                f"{'gamma' if self.gamma > 0 else 'burn_in.gamma'} must be 0 with family {self.family}: its "
                "discriminator has batch norm, which mixes the images of a batch, so a per-image gradient penalty is "
                "undefined; use family lite"
            )
        return self

    @model_validator(mode="after")
    def _spectral_norm_that_the_family_has_stays(self) -> Self:
        if self.spectral_norm is False and self.family in SPECTRAL_NORM_FAMILIES:
            raise ValueError(
                f"spectral_norm cannot be false with family {self.family}, whose discriminator always has it; leave it "
                "out, or use another family, such as lite"
            )
        return self

    @model_validator(mode="after")
    def _a_warm_up_ends(self) -> Self:
        asked = self.warm_up_kimg != type(self).model_fields["warm_up_kimg"].default
        if asked and self.warm_up_kimg > self.kimg:
            raise ValueError(
                f"warm_up_kimg {self.warm_up_kimg:g} is longer than the training, kimg {self.kimg:g}, so that the "
                "learning rates would never be reached; lower it, to a tenth of kimg or less, or raise kimg"
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
            penalty = "" if self.family in BATCH_NORM_FAMILIES else "penalty: gp with gamma: 10, or "
            raise ValueError(
                "objective wasserstein measures a distance only if the discriminator's slope is bounded; set "
                f"{penalty}spectral_norm: true"
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
