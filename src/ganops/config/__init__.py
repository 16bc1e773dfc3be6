"""The configuration: one frozen, typed class per section of `params.yaml`.

`parse(mapping)` is the only way in. Every mistake becomes one `ConfigError` that names
the field, the value and what is allowed; an unknown key names the nearest right one.
"""

from ganops.config.candidate import CandidateConfig
from ganops.config.data import DataConfig, RowRule, Severity, SplitConfig, ValidateConfig
from ganops.config.evaluation import EvaluateConfig, PreprocessingConfig, ReferenceConfig
from ganops.config.promotion import FirstPromotionConfig, GateConfig, GuardConfig, GuardsConfig
from ganops.config.reading import parse
from ganops.config.section import MAX_SEED, Name
from ganops.config.training import (
    BASELINE_FAMILIES,
    BATCH_NORM_FAMILIES,
    FAMILIES,
    OBJECTIVES,
    SPECTRAL_NORM_FAMILIES,
    TrainConfig,
    TrainingGuardConfig,
)
from ganops.config.whole import Config

__all__ = [
    "BASELINE_FAMILIES",
    "BATCH_NORM_FAMILIES",
    "FAMILIES",
    "MAX_SEED",
    "OBJECTIVES",
    "SPECTRAL_NORM_FAMILIES",
    "CandidateConfig",
    "Config",
    "DataConfig",
    "EvaluateConfig",
    "FirstPromotionConfig",
    "GateConfig",
    "GuardConfig",
    "GuardsConfig",
    "Name",
    "PreprocessingConfig",
    "ReferenceConfig",
    "RowRule",
    "Severity",
    "SplitConfig",
    "TrainConfig",
    "TrainingGuardConfig",
    "ValidateConfig",
    "parse",
]
