"""What a training came to, in train/report.json: for whoever has not seen it train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from ganops.errors import DamagedFile
from ganops.files import read_json
from ganops.layout import Layout

REPORT = "report.json"


@final
@dataclass(frozen=True)
class TrainingReport:
    """What a training came to.

    fd: Fréchet distance of the kept generator on `select`, as measured in the loop. stopped: why the guard ended
    the training before its time, else None. notes: what else its owner should know, a sentence or more each.
    """

    candidate: str
    images_seen: int
    best_images_seen: int
    fd: float | None
    seconds: float
    precision: str
    resumed_at: int
    snapshot_sha256: str
    generator_sha256: str
    stopped: str | None
    notes: tuple[str, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """Why it stopped, where it did, and the notes."""
        return self.notes if self.stopped is None else (f"stopped: {self.stopped}", *self.notes)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> TrainingReport:
        """Of the dataclass's own keys; TypeError or KeyError where they are others."""
        return TrainingReport(**{**value, "notes": tuple(map(str, value["notes"]))})


def read_training_report(layout: Layout, candidate: str) -> TrainingReport | None:
    """None where the candidate is not trained.

    Raises:
        DamagedFile: it is not what `train` wrote.
    """
    path = layout.train_dir(candidate) / REPORT
    try:
        return TrainingReport.from_json(read_json(path))
    except FileNotFoundError:
        return None
    except DamagedFile:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{path} is damaged ({error}): run `ganops train {candidate}` again.") from None
