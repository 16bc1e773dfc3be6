"""The README's commands, run as they stand there, in an empty folder."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from user_shell import GANOPS, SMALL

from ganops.files import write_json

pytestmark = pytest.mark.slow

SHORTER = "from ganops import workspace; from pathlib import Path; import json; "
SHORTER += "workspace.edit_params(workspace.find(Path('.')), json.load(open('../small.json')))"


def until_it_serves(schedule: str) -> str:
    """The command in the background, ended once it has said that it serves."""
    said = "../schedule.txt"
    return f"""
        PYTHONUNBUFFERED=1 {schedule} > {said} &
        for _ in $(seq 240); do if grep -q "Serving the flow of" {said}; then break; fi; sleep 1; done
        kill %1; wait %1 || test $? -ge 124; cat {said}
    """


def script(readme: str) -> str:
    """The README's shell blocks as one script; what is changed is the budget, and waiting where a person waits."""
    lines = []
    for line in "".join(re.findall(r"```sh\n(.*?)```", readme, flags=re.DOTALL)).splitlines():
        line = line.replace("/path/to/images", "../images")
        line = line.replace("/path/to/generated", "digits").replace("/path/to/real", "../images")
        if line.startswith(("make ", ". .venv")):
            continue  # this test runs inside `make test`, in its environment
        if line.startswith("ganops schedule"):
            line = until_it_serves(line.partition("#")[0])
        if line.startswith("curl"):
            line = line.replace("curl -s", "curl -s --retry 90 --retry-connrefused --retry-delay 1 -o ../answer.json")
        lines.append(line)
        if line == "cd mine":
            lines.append(f'python -c "{SHORTER}"')
    return "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(lines) + "\n"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Digits as an image folder: a subfolder for each class."""
    bunch = load_digits()
    for number, (pixels, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):
        folder = tmp_path / "images" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "images"


def test_the_readme_from_the_first_command_to_the_last(repository: Path, tmp_path: Path, images: Path) -> None:
    write_json(tmp_path / "small.json", SMALL)
    (tmp_path / "readme.sh").write_text(script((repository / "README.md").read_text()))
    environment = {
        **os.environ,
        "PATH": f"{GANOPS.parent}{os.pathsep}{os.environ['PATH']}",
        "GANOPS_CACHE": str(tmp_path / "cache"),
    }
    result = subprocess.run(
        ["bash", "readme.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
    )
    assert result.returncode == 0, f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    assert "1797 images" in result.stdout and "Decision:" in result.stdout
    assert "Serving the flow of" in result.stdout
    grid = Image.open(tmp_path / "mine" / "reports" / "grid.png")
    assert min(grid.size) >= 64
    assert min(Image.open(tmp_path / "mine" / "score.png").size) >= 64
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert len(answer["predictions"]) == 4
    assert base64.b64decode(answer["predictions"][0]["png"]).startswith(b"\x89PNG")
