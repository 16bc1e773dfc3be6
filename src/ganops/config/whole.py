"""The whole of `params.yaml`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from ganops.config.candidate import CandidateConfig
from ganops.config.data import DataConfig, ValidateConfig
from ganops.config.evaluation import EvaluateConfig, ReferenceConfig
from ganops.config.promotion import GateConfig, PromotionConfig
from ganops.config.section import Name, Section, Seed
from ganops.config.training import TrainConfig
from ganops.config.wording import nearest
from ganops.errors import UnknownName

_LENGTHS_KIMG = (0.001, 1_000_000.0)
"""From one image to a thousand million."""


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
                f"There is no candidate '{name}' in params.yaml{nearest(name, self.candidates)}. "
                f"Candidates: {', '.join(self.candidates)}."
            )
        return self.candidates[name]
