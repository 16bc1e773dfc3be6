"""The promotion lock of several machines: an advisory lock of PostgreSQL, on a connection of its own.

PostgreSQL frees it when that connection ends, however it does: a killed holder's at once, a vanished machine's after
about a minute of unanswered keep-alives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from ganops.errors import RegistryError, UserError
from ganops.locks import wait_while

if TYPE_CHECKING:
    import psycopg

_CONNECT_SECONDS = 10
_KEEPALIVE = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}


@final
@dataclass(frozen=True)
class PostgresHold:
    """The lock, for as long as its connection lives."""

    connection: psycopg.Connection[Any]
    identity: str
    where: str

    def require(self) -> None:
        """Raises RegistryError where the connection, and with it the lock, is gone."""
        import psycopg

        try:
            self.connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise RegistryError(
                f"The promotion lock in {self.where} was lost ({_said(error)}): somebody else may be promoting. "
                "Nothing was promoted; run the same command again."
            ) from None


@contextmanager
def postgres_lock(
    dsn: str, model: str, holder: str, seconds: float, say: Callable[[str], None]
) -> Iterator[PostgresHold]:
    """Hold the advisory lock of `model`, waiting for whoever has it for so many seconds at most.

    holder: who this is, for those that wait meanwhile. say: told once whom this waits for.

    Raises:
        UserError: psycopg is not installed, or `dsn` is none.
        RegistryError: PostgreSQL does not answer, or refuses.
        LockTimeout: it was not free in time.
    """
    where, key = _where(dsn), _key(model)
    with _connected(dsn, where, holder) as connection:
        identity = f"postgresql:{_identity(connection)}"
        wait_while(lambda: _taken(connection, key), seconds, say, pauses=(0.05, 0.5))
        yield PostgresHold(connection, identity, where)


@contextmanager
def _connected(dsn: str, where: str, holder: str) -> Iterator[psycopg.Connection[Any]]:
    import psycopg

    try:
        connection = psycopg.connect(
            dsn, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name=f"ganops {holder}"[:63]
        )
    except psycopg.Error as error:
        raise RegistryError(f"PostgreSQL at {where} (promotion.lock) cannot be reached: {_said(error)}.") from None
    try:
        with closing(connection):
            for name, value in _KEEPALIVE.items():
                connection.execute(f"SET {name} = {value}".encode())
            if connection.info.server_version >= 140_000:
                connection.execute("SET idle_session_timeout = 0")
            yield connection
    except psycopg.Error as error:
        raise RegistryError(f"PostgreSQL at {where} (promotion.lock) failed: {_said(error)}.") from None


def _identity(connection: psycopg.Connection[Any]) -> str:
    """SERVER/DATABASE: the same for everyone who takes this lock, by whatever name they reach the server."""
    return str(
        _value(connection, "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || current_database()")
    )


def _taken(connection: psycopg.Connection[Any], key: int) -> str | None:
    """Hold the lock while the connection lives; who has it, where somebody else does."""
    if _value(connection, "SELECT pg_try_advisory_lock(%s)", key):
        return None
    found = _value(
        connection,
        "SELECT a.application_name || coalesce(' from ' || host(a.client_addr), '') FROM pg_locks l JOIN "
        "pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (l.classid::bigint << 32) | l.objid::bigint = %s",
        key,
    )
    return str(found or "another process")


def _value(connection: psycopg.Connection[Any], query: str, *values: object) -> Any:
    row = connection.execute(query.encode(), values or None).fetchone()
    return None if row is None else row[0]


def _key(model: str) -> int:
    """64 signed bits, as PostgreSQL wants them."""
    return int.from_bytes(hashlib.sha256(f"ganops promotes {model}".encode()).digest()[:8], signed=True)


def _where(dsn: str) -> str:
    """HOST:PORT/DATABASE of a DSN, for a person; no password."""
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise UserError(
            "promotion.lock is a PostgreSQL DSN, and psycopg is not installed. Install with: pip install "
            "'ganops[postgresql]'."
        ) from None
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise UserError(
            "promotion.lock is no DSN that PostgreSQL understands. Write postgresql://USER@HOST:PORT/DATABASE."
        ) from None
    return f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}".rstrip("/")


def _said(error: Exception) -> str:
    """PostgreSQL's words in one line."""
    return " ".join(str(error).split())[:300].rstrip(".")
