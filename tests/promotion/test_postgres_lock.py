"""The advisory lock on a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from postgres_server import Postgres

from ganops.adapters.postgres_lock import PostgresHold, postgres_lock
from ganops.errors import LockTimeout, RegistryError, UserError

pytestmark = pytest.mark.slow

_HOLDER = """
import sys
from ganops.adapters.postgres_lock import postgres_lock
with postgres_lock(sys.argv[1], "generator", "the holder", 60, print):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(dsn: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", _HOLDER, dsn]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def held(dsn: str, seconds: float = 30.0, said: list[str] | None = None) -> AbstractContextManager[PostgresHold]:
    heard: list[str] = [] if said is None else said
    return postgres_lock(dsn, "generator", "me", seconds, heard.append)


def test_one_holds_it_and_the_next_waits_and_is_told_for_whom(postgres: Postgres) -> None:
    dsn, said = postgres.dsn(postgres.database()), list[str]()
    with holder(dsn) as process:
        with (
            pytest.raises(LockTimeout, match=r"not free within 0.3 seconds .*ganops the holder.* holds it") as raised,
            held(dsn, 0.3, said),
        ):
            pass
        assert raised.value.exit_code == 1
        assert said == ["waiting for the promotion lock, which ganops the holder from 127.0.0.1 holds"]
        with postgres_lock(dsn, "another", "me", 1, said.append):
            pass  # a lock of its own for every model
        os.kill(process.pid, signal.SIGKILL)
        with held(dsn) as hold:  # free, since its holder is dead
            hold.require()


def test_everyone_knows_it_by_the_same_name(postgres: Postgres) -> None:
    one, other = postgres.database(), postgres.database()
    found = []
    for dsn in (
        postgres.dsn(one),
        f"host=localhost port={postgres.port} user=ganops dbname={one}",
        postgres.dsn(other),
    ):
        with held(dsn) as hold:
            found.append(hold.identity)
    assert found[0] == found[1] != found[2] and found[0].startswith("postgresql:") and found[0].endswith(f"/{one}")


def test_a_lock_whose_connection_broke_is_not_believed(postgres: Postgres) -> None:
    dsn = postgres.dsn(postgres.database())
    with held(dsn) as hold:
        hold.require()
        postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ganops me'")
        with pytest.raises(RegistryError, match=r"The promotion lock .* was lost"):
            hold.require()
        with held(dsn) as again:
            again.require()


def test_a_server_that_is_not_there_and_what_is_no_dsn(postgres: Postgres) -> None:
    with (
        pytest.raises(
            RegistryError, match=r"PostgreSQL at 127.0.0.1:9/x \(promotion.lock\) cannot be reached"
        ) as raised,
        held("postgresql://me:s3cret@127.0.0.1:9/x"),
    ):
        pass
    assert "s3cret" not in str(raised.value)
    with pytest.raises(UserError, match="no DSN that PostgreSQL understands"), held("nonsense = x y"):
        pass
