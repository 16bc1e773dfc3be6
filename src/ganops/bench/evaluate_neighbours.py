"""Precision, recall, density and coverage, beside full distance matrices: time, and memory in processes of their own.

`python -m ganops.bench.evaluate_neighbours WAY IMAGES DIMENSIONS THREADS` is such a process.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganops.bench.rows import Row, relative
from ganops.evaluation.conventions import NEIGHBOURS
from ganops.evaluation.manifold import ManifoldReference, manifold_values

PART = "neighbours"
IMAGES, DIMENSIONS = 10_000, 2048
_OURS, _FULL = "blocks", "full"
_DIRECTIONS, _SHIFT = 12, np.float32(0.2)
_MB = 1024 if sys.platform == "linux" else 1024**2  # ru_maxrss is in kB there, in bytes on macOS


Features = np.ndarray[Any, np.dtype[np.float32]]


def neighbour_rows(turns: int, images: int = IMAGES, dimensions: int = DIMENSIONS) -> Iterator[Row]:
    """Both in float64, on the same features, with as many threads as torch has here."""
    found = [[_in_a_process(way, images, dimensions) for way in (_OURS, _FULL)] for _ in range(turns)]
    ours, full = found[-1]
    seconds, full_seconds = (statistics.median(turn[way]["seconds"] for turn in found) for way in (0, 1))
    off = max(relative(ours["values"][name], full["values"][name]) for name in full["values"])
    yield Row(
        PART,
        f"precision, recall, density, coverage, {images:,} x {images:,} x {dimensions}",
        "full distance matrices",
        ours=seconds,
        theirs=full_seconds,
        peak_mb=ours["peak_mb"],
        reference_peak_mb=full["peak_mb"],
        difference=off,
    )


def full_matrices(generated: Tensor, reference: Tensor, k: int) -> Mapping[str, float]:
    """By the definitions, each distance matrix whole: float64 (n, d) and (m, d)."""
    radii_reference, radii_generated = (
        torch.cdist(x, x).kthvalue(k + 1, dim=1).values
        for x in (reference, generated)  # the nearest is itself
    )
    across = torch.cdist(generated, reference)
    inside = across < radii_reference
    return {
        "precision": inside.any(1).double().mean().item(),
        "recall": (across < radii_generated[:, None]).any(0).double().mean().item(),
        "density": inside.sum(1).double().mean().item() / k,
        "coverage": inside.any(0).double().mean().item(),
    }


def _in_a_process(way: str, images: int, dimensions: int) -> Mapping[str, Any]:
    numbers = [str(number) for number in (images, dimensions, torch.get_num_threads())]
    command = [sys.executable, "-m", "ganops.bench.evaluate_neighbours", way, *numbers]
    found: Mapping[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def _measured(way: str, images: int, dimensions: int) -> dict[str, Any]:
    generated, reference = _features(images, dimensions)
    begun = time.perf_counter()
    if way == _OURS:
        values = manifold_values(generated, ManifoldReference.of(reference))
    else:
        x, y = (torch.from_numpy(features).double() for features in (generated, reference))
        values = full_matrices(x, y, NEIGHBOURS)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MB, "values": values}


def _features(images: int, dimensions: int) -> tuple[Features, Features]:
    """Generated and reference, which vary in a few directions only, as images do: elsewhere no ball holds anything."""
    random = np.random.Generator(np.random.Philox(key=2))
    spread = random.standard_normal((_DIRECTIONS, dimensions), np.float32)
    drawn = [random.standard_normal((images, _DIRECTIONS), np.float32) for _ in range(2)]
    return np.maximum(drawn[0] @ spread + _SHIFT, 0), np.maximum(drawn[1] @ spread, 0)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[4]))
    print(json.dumps(_measured(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
