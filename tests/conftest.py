"""What tests share: where real data is, and a quiet environment for vendors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FIGURE = "figure"

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several processes test: a file each, and what shares a long training or a server, in one of them."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            folder = file.rpartition("/")[0]
            return folder if folder in ("tests/e2e", "tests/promotion") else file

    return ByFile(config, log)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say at the end of all tests what one has counted; whatever process it ran in."""
    return lambda figure: record_property(FIGURE, figure)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was counted, and how many ways of tampering were found: figures of docs/reliability.md."""
    for report in terminalreporter.stats.get("passed", []):
        for name, figure in report.user_properties:
            if name == FIGURE:
                terminalreporter.write_line(str(figure))
    name = "test_tampering_is_found_and_named"
    counts = {
        outcome: len([report for report in terminalreporter.stats.get(outcome, []) if name in report.nodeid])
        for outcome in ("passed", "failed")
    }
    if tried := sum(counts.values()):
        terminalreporter.write_line(f"tampering: {counts['passed']} of {tried} ways found and named")
