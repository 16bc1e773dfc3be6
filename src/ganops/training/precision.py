"""Which device and number format to train with: decided once, then stored."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ganops.errors import ConfigError
from ganops.training.ranks import ALONE, Ranks

_CPU_FLAGS = ("avx512_bf16", "amx_bf16")


def resolve_device(wanted: str, ranks: Ranks = ALONE, key: str = "train.device") -> torch.device:
    """`auto` is the first CUDA device where there is one; of several ranks, each has its own. key: of params.yaml.

    Raises:
        ConfigError: `cuda` is asked for and not there.
    """
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted)
    if device.type == "cuda" and ranks.count > 1:
        device = torch.device("cuda", ranks.rank)
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ConfigError(
            f"'{key}' in params.yaml is '{wanted}', but torch sees {torch.cuda.device_count()} CUDA devices "
            "on this machine. Set it to auto or cpu, or install a CUDA build of torch and its driver."
        )
    return device


def resolve_precision(wanted: str, device: torch.device) -> str:
    """`float32` or `bfloat16`; `auto` takes bfloat16 only where the hardware computes in it.

    A CPU without these instructions emulates bfloat16, 23 times slower.
    """
    if wanted != "auto":
        return wanted
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_computes_in_bfloat16()
    return "bfloat16" if fast else "float32"


def _cpu_computes_in_bfloat16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in _CPU_FLAGS)


def use_deterministic_kernels(wanted: bool, device: torch.device) -> None:
    """On CUDA, use only kernels that give the same bits each time; a CPU always does, with a fixed number of threads.

    An operation that has no such kernel then raises torch's RuntimeError, which names it.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
        torch.use_deterministic_algorithms(wanted)
        torch.backends.cudnn.benchmark = not wanted
