"""What ran where: the installed packages, GanOps' own sources, the hardware."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

import ganops
from ganops.files import digest_json, sha256_file
from ganops.provenance.facts import MachineFacts

LIBRARIES = (
    *("torch", "numpy", "pillow", "pyarrow", "safetensors", "scikit-learn", "scipy"),
    *("mlflow", "dvc", "great-expectations", "prefect", "pydantic", "model-signing", "cryptography"),
)
"""Those whose version a statement spells out; the digest is of all that are installed."""


@cache
def modules() -> dict[str, str]:
    """sha256 of each source file of GanOps as it is installed, by its name below the package."""
    package = Path(ganops.__file__).parent
    files = (path for pattern in ("*.py", "*.j2") for path in package.rglob(pattern))
    return {path.relative_to(package).as_posix(): sha256_file(path) for path in sorted(files)}


@cache
def machine_facts() -> MachineFacts:
    """Of this process."""
    packages = installed_packages()
    versions = {name: packages[name] for name in LIBRARIES if name in packages}
    return MachineFacts(
        packages_sha256=digest_json(packages),
        libraries={"python": platform.python_version(), **versions},
        hardware=_hardware(),
    )


def installed_packages() -> dict[str, str]:
    """Version of every installed distribution, by its normalised name."""
    found = ((item.metadata["Name"], item.version) for item in metadata.distributions())
    return dict(sorted((name.lower().replace("_", "-").replace(".", "-"), version) for name, version in found if name))


def _hardware() -> dict[str, str]:
    import torch

    hardware = {
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
    }
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        hardware["gpus"] = ", ".join(names)
    return hardware


def _processor() -> str:
    """Linux says it in a file only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
