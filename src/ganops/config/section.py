"""What every section of `params.yaml` is, and the numbers and names that they hold."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(gt=0, le=2**31 - 1)]
PositiveFloat = Annotated[float, Field(gt=0.0)]
NonNegativeFloat = Annotated[float, Field(ge=0.0)]
MAX_SEED = 2**31 - 1
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
ImageCount = Annotated[int, Field(ge=100, le=1_000_000)]
"""Of generated images: their features are held in memory."""


def require_order(least_name: str, least: float, most_name: str, most: float) -> None:
    if least > most:
        raise ValueError(f"{least_name} ({least:g}) is greater than {most_name} ({most:g}), so that nothing would pass")


def _plain_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value):
        raise ValueError("must start with a letter and hold only letters, digits, - and _")
    return value


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_plain_name)]


def whole_number(value: object) -> object:
    """In Python `True == 1`, so that a literal 1 would take `true` for itself."""
    if value is not None and type(value) is not int:
        raise ValueError("must be a whole number, or null")
    return value


def auto_or_bool(value: object) -> object:
    """`1 == True`, and `-0.0 == False`: a literal would take them for each other."""
    if not isinstance(value, str | bool):
        raise ValueError("must be auto, true or false")
    return value


AutoOrBool = Annotated[Literal["auto", True, False], BeforeValidator(auto_or_bool)]


class Section(BaseModel):
    """A part of `params.yaml`: frozen, an unknown key is an error, all numbers are finite, and no text or truth value
    counts as a number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=False)
