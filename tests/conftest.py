"""What tests share: where real data is, and a quiet environment for vendors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for name, value in {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "NO_COLOR": "1",
}.items():
    os.environ.setdefault(name, value)
for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "GANOPS_IN_PIPELINE"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this repository, which is a workspace too."""
    return Path(__file__).resolve().parents[1]
