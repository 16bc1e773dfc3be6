"""One rank of `train`: `python -m ganops.stages.train_rank FOLDER`, which torchrun starts; see `training.torchrun`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganops.config import parse
from ganops.layout import Layout
from ganops.progress import Progress
from ganops.stages.train import kept, trained
from ganops.stages.train_task import train_task
from ganops.training.ranks import Ranks
from ganops.training.torchrun import be_rank


def _train(job: Mapping[str, Any], ranks: Ranks, progress: Progress) -> Mapping[str, Any] | None:
    """The training's report from rank 0, nothing from the others."""
    task = train_task(Layout(Path(job["root"])), parse(job["config"]), job["candidate"], job["code_digest"])
    result = trained(task, ranks, progress)
    return dataclasses.asdict(kept(task, result)) if ranks.leads else None


if __name__ == "__main__":
    be_rank(Path(sys.argv[1]), _train)
