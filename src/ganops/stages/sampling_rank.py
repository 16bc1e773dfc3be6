"""One of several processes that take a sample: `python -m ganops.stages.sampling_rank FOLDER`, which torchrun starts.

See `stages.sampling` and `training.torchrun`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch

from ganops.evaluation.extractors import load_extractor
from ganops.evaluation.sharded import Sampling
from ganops.evaluation.threads import one_thread
from ganops.models.snapshot import load_snapshot
from ganops.progress import Progress
from ganops.stages.sampling import rows_on
from ganops.training.precision import resolve_device
from ganops.training.ranks import Ranks
from ganops.training.torchrun import be_rank


def _sample(job: Mapping[str, Any], ranks: Ranks, progress: Progress) -> Mapping[str, Any] | None:
    """Rank 0 writes all rows."""
    snapshot, extractor = load_snapshot(Path(job["snapshot"])), load_extractor(Path(job["extractor"]))
    device = resolve_device(job["device"], ranks)
    with one_thread():  # as many processes as there is work for
        rows, where = rows_on(device, snapshot, extractor, Sampling(**job["sampling"]), ranks, progress)
    if rows is None:
        return None
    safetensors.torch.save_file({name: tensor.cpu() for name, tensor in rows.items()}, job["rows"])
    return {"device": where}


if __name__ == "__main__":
    be_rank(Path(sys.argv[1]), _sample)
