"""Every family at a width that costs nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ganops.models import FAMILIES, ModelSpec, family_spec

Shape = tuple[int, int, int]
SHARES = (0.5, 0.2, 0.3)
PENALISED = [name for name, family in FAMILIES.items() if not family.batch_norm]


def tiny_spec(family: str, shape: Shape, **changes: Any) -> ModelSpec:
    z_dim = {} if FAMILIES[family].noise_image else {"z_dim": 5}
    return replace(family_spec(family, shape), width=4, **z_dim, **changes)
