"""Who only looks, or trains and measures nothing, does not wait for torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ganops import workspace

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None\n"
"""From here on, whoever imports torch fails."""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH + program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=dict(os.environ))


def test_history_is_shown_where_torch_cannot_be_imported(tmp_path: Path) -> None:
    workspace.create(tmp_path / "mine")
    shown = run("from ganops.cli import main; sys.argv = ['ganops', 'history']; main()", tmp_path / "mine")
    assert shown.returncode == 0 and "Nothing has happened" in shown.stdout, shown.stderr


def test_what_looks_at_versions_is_made_without_torch(tmp_path: Path) -> None:
    workspace.create(tmp_path / "mine")
    program = """
from pathlib import Path
from ganops import bootstrap
from ganops.commands import data, flow, new, promotion, provenance, telling, versions  # noqa: F401
app = bootstrap.open_app(Path.cwd(), reading=True)
app.pipeline, app.sources, app.lock  # all that status, doctor, recover and the audit ask
print(sorted(name for name in sys.modules if name in ('mlflow', 'pandas', 'scipy', 'sklearn', 'sqlalchemy')))
"""
    made = run(program, tmp_path / "mine")
    assert (made.returncode, made.stdout.strip()) == (0, "[]"), made.stderr


def test_data_is_validated_and_prepared_without_torch(tmp_path: Path) -> None:
    assert run("import ganops.stages.validate, ganops.stages.prepare", tmp_path).returncode == 0
