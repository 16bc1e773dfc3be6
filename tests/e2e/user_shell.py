"""Runs the command line as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GANOPS = Path(sys.executable).parent / "ganops"
SMALL = {
    "candidates.dcgan.kimg": 4,
    "candidates.lite.kimg": 12,
    "train.evaluate_every_kimg": 4,
    "train.checkpoint_every_kimg": 4,
    "evaluate.num_images": 1000,
    "gate.num_images": 1000,
    "gate.first.max_fd": 1000,
}
"""A budget at which everything is real and nothing is good."""


@dataclass(frozen=True)
class Shell:
    """Runs `ganops` in a folder as a user would."""

    folder: Path

    def __call__(self, *arguments: str, expect: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [str(GANOPS), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, **environment},
        )
        assert result.returncode == expect, f"{arguments}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr, result.stderr
        return result

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)

    def dvc(self, *arguments: str) -> str:
        environment = {**os.environ, "PATH": f"{GANOPS.parent}{os.pathsep}{os.environ['PATH']}"}
        command = [sys.executable, "-m", "dvc", *arguments]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment, timeout=600)
        assert result.returncode == 0, result.stderr
        return result.stdout
