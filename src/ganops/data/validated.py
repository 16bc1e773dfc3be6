"""The verdict on the raw images, as `validate` leaves it for `prepare`.

`verdict.json` says what was found, `accepted.npy` (uint8 (N, 32), raw order) holds the sha256 of every image that may
be used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ganops.errors import UserError, ValidationFailed
from ganops.files import read_json

VERDICT = "verdict.json"
ACCEPTED = "accepted.npy"


def read_verdict(validated: Path) -> dict[str, Any]:
    """The whole verdict, successful or not.

    Raises:
        UserError: the images were not validated yet.
    """
    try:
        verdict: dict[str, Any] = read_json(validated / VERDICT)
    except FileNotFoundError:
        raise UserError(f"The images are not validated yet ({validated} is missing): run `ganops validate`.") from None
    except ValueError:
        raise UserError(f"{validated / VERDICT} is damaged: run `ganops validate` again.") from None
    return verdict


def accepted_digests(validated: Path) -> npt.NDArray[np.uint8]:
    """The sha256 of each image that may be used, uint8 (N, 32).

    Raises:
        UserError: the images were not validated yet.
        ValidationFailed: they were, and a critical rule failed.
    """
    if not read_verdict(validated)["success"]:
        raise ValidationFailed(
            f"The last validation failed, so nothing can be prepared ({validated / VERDICT} has the reasons): "
            "mend the data or the rules in params.yaml, then run `ganops validate`."
        )
    try:
        accepted: npt.NDArray[np.uint8] = np.load(validated / ACCEPTED, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise UserError(f"{validated / ACCEPTED} is missing or damaged: run `ganops validate` again.") from None
    return accepted
