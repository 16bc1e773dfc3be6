"""The section of what all trainings share, and the names of the families and objectives."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from ganops.config.section import AutoOrBool, Fraction, NonNegativeFloat, PositiveFloat, PositiveInt, Section

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
