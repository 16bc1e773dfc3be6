"""A real PostgreSQL server for tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path


@dataclass
class Postgres:
    """A server on 127.0.0.1 that anybody on this machine may use."""

    port: int
    bin: Path
    numbers: Iterator[int] = field(default_factory=count)

    def dsn(self, database: str) -> str:
        return f"postgresql://ganops@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        command = [str(self.bin / "psql"), "-X", "-q", "-A", "-t", "-c", statement, self.dsn(database)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def database(self, template: str = "template1") -> str:
        """A new database, a copy of `template`."""
        name = f"d{next(self.numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name


def programs() -> Path | None:
    """Where PostgreSQL's programs are: of Debian's packages the newest, else on PATH; None where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else _on_path()


@contextmanager
def serving(found: Path) -> Iterator[Postgres]:
    """A new server while the block lasts. It refuses to run as root, and runs as somebody who may do nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="ganops-postgres-"))
    folder.chmod(0o755)
    as_another = _becoming_another(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(folder / "data")
    setup = [*as_another, str(found / "initdb"), "-D", data, "-U", "ganops", "-A", "trust", "-E", "UTF8", "--no-locale"]
    subprocess.run([*setup, "--no-sync"], check=True, capture_output=True, cwd=folder)
    server = subprocess.Popen(
        [*as_another, str(found / "postgres"), "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", ""],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
    )
    try:
        postgres = Postgres(port, found)
        _wait(postgres, server, folder / "log")
        yield postgres
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _on_path() -> Path | None:
    program = shutil.which("postgres")
    return Path(program).resolve().parent if program and shutil.which("initdb") else None


def _becoming_another(folder: Path) -> list[str]:
    """How to start what must not be root; `folder` is that one's then."""
    if os.getuid() != 0:
        return []
    somebody = pwd.getpwnam("nobody")
    os.chown(folder, somebody.pw_uid, somebody.pw_gid)
    return ["setpriv", f"--reuid={somebody.pw_uid}", f"--regid={somebody.pw_gid}", "--clear-groups", "--"]


def _wait(postgres: Postgres, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        assert server.poll() is None, log.read_text(errors="replace")
        try:
            postgres.sql("SELECT 1")
            return
        except subprocess.CalledProcessError:
            assert time.monotonic() < end, log.read_text(errors="replace")
            time.sleep(0.1)
