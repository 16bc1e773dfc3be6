"""What travels to a GPU node: the core needs its six small packages and nothing else of what GanOps installs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CORE = ("numpy", "pillow", "pyarrow", "pydantic", "safetensors", "torch")
OF_TORCH_ALONE = {"jinja2", "markupsafe"}
"""Torch asks for them, for its compiler; GanOps writes its pages with them, so the core has to do without."""
ABSENT = (
    *("prefect", "mlflow", "dvc", "great_expectations"),
    *("jinja2", "rich", "ruamel.yaml", "typer"),
    *("scipy", "sklearn"),
)
SCRIPT = Path(__file__).with_name("core_alone.py")


def requirements_of(names: tuple[str, ...]) -> set[str]:
    """These distributions and all that they need, without extras, by normalised name."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found | OF_TORCH_ALONE:
            continue
        found.add(name)
        needed = map(Requirement, distribution(name).requires or ())
        waiting += [item.name for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})]
    return found


def link_packages(site: Path, names: set[str]) -> None:
    """Fill `site` with links to what these distributions have installed; no .pth file, so that nothing else follows."""
    for name in names:
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            source, link = Path(str(distribution(name).locate_file(top))), site / top
            if source.exists() and source.suffix != ".pth" and not link.exists():
                link.symlink_to(source)


@pytest.mark.slow
def test_the_core_trains_measures_and_decides_with_its_small_dependencies(repository: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    link_packages(site, requirements_of(CORE))
    (site / "ganops").symlink_to(repository / "src" / "ganops")
    command = [sys.executable, "-I", "-S", str(SCRIPT), str(site), str(tmp_path / "workspace"), *ABSENT]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(("Promoted.", "Kept champion.")), result.stdout
