from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from ganops.adapters.prefect_server import next_run
from ganops.errors import UserError

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "due"),
    [
        ("0 2 * * *", datetime(2026, 2, 1, 2, 0, tzinfo=UTC)),
        ("30 4 * * MON-FRI", datetime(2026, 2, 2, 4, 30, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, 0, 0, tzinfo=UTC)),
        ("@daily", datetime(2026, 2, 1, 0, 0, tzinfo=UTC)),
    ],
)
def test_when_a_schedule_is_due_next(cron: str, due: datetime) -> None:
    assert next_run(cron, NOW) == due


@pytest.mark.parametrize(
    "cron", ["", "hello", "61 * * * *", "* * * * * *", "0 0 * * 8", "*/0 * * * *", "R * * * *", "0 2", "@never"]
)
def test_what_is_no_schedule_is_refused_with_an_example(cron: str) -> None:
    with pytest.raises(UserError, match=r'is no cron schedule.*--cron "0 2 \* \* \*"'):
        next_run(cron, NOW)


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 2,4 *"])
def test_a_time_that_never_comes_is_refused(cron: str) -> None:
    with pytest.raises(UserError, match="never comes"):
        next_run(cron, NOW)


def test_looking_at_a_schedule_does_not_import_prefect() -> None:
    """Its settings are read once, at its import, and the server's address is known only later."""
    code = (
        "import sys; from datetime import datetime, UTC; from ganops.adapters.prefect_server import next_run\n"
        "next_run('0 2 * * *', datetime.now(UTC)); sys.exit('prefect' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
