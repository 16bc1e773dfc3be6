from __future__ import annotations

import os

import pytest

from ganops.adapters.mlflow_store import quiet


def test_pickles_stay_forbidden_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    quiet()
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
