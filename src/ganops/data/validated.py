"""The verdict on the raw images, as `validate` leaves it for `prepare`.

`verdict.json` says what was found, `accepted.npy` (uint8 (N, 32), raw order) holds the sha256 of every image that may
be used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from ganops.data.stored import read_array, read_document
from ganops.errors import ValidationFailed

VERDICT = "verdict.json"
ACCEPTED = "accepted.npy"


@final
class _Rule(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    rule: str
    severity: str
    success: bool
    observed: str
    expected: str
    offenders: int


@final
class _Verdict(BaseModel):
    """What of `verdict.json` others rely on."""

    model_config = ConfigDict(strict=True, extra="allow")

    success: bool
    rules: list[_Rule] = []


def read_verdict(validated: Path) -> dict[str, Any]:
    """The whole verdict, successful or not.

    Raises:
        UserError: the images were not validated yet.
        DamagedFile: the verdict is damaged.
    """
    missing = f"The images are not validated yet ({validated} is missing): run `ganops validate`."
    return read_document(validated / VERDICT, _Verdict, missing, again="ganops validate").model_dump()


def accepted_digests(validated: Path) -> npt.NDArray[np.uint8]:
    """The sha256 of each image that may be used, uint8 (N, 32).

    Raises:
        UserError: the images were not validated yet.
        DamagedFile: verdict or list is damaged.
        ValidationFailed: they were, and a critical rule failed.
    """
    if not read_verdict(validated)["success"]:
        raise ValidationFailed(
            f"The last validation failed, so nothing can be prepared ({validated / VERDICT} has the reasons): "
            "mend the data or the rules in params.yaml, then run `ganops validate`."
        )
    return read_array(validated / ACCEPTED, np.uint8, (None, 32), again="ganops validate")
