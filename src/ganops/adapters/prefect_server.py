"""A Prefect server for one machine, and the schedule that it keeps."""

from __future__ import annotations

import atexit
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ganops.adapters.servers import without_credentials
from ganops.errors import FlowError, UserError
from ganops.layout import Layout

_START_SECONDS = 90.0


def start_server(layout: Layout, environment: Mapping[str, str], services: bool) -> Callable[[], None]:
    """Start a Prefect server of the workspace's own on 127.0.0.1, unless `PREFECT_API_URL` names one.

    Returns a function that waits until it answers: starting takes seconds, in which the caller can do other things.
    It ends after everything else in this process: Prefect sends its last logs and events when the interpreter exits,
    and would wait for a minute if nobody were there. Call this before Prefect is imported, for that order's sake.
    services: with the scheduler and the pages, as a schedule needs; a single run needs the API alone.
    """
    if environment.get("PREFECT_API_URL"):
        return lambda: None
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    log = layout.state / "prefect-server.log"
    program = [sys.executable, "-m", "ganops.adapters.prefect_process", "server", "start", "--host", "127.0.0.1"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*program, "--port", str(port), *([] if services else ["--no-services", "--no-ui"])],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PREFECT_API_URL": url},
            # Ctrl-C goes to the whole group; the server has to outlive the flow that it is told the end of
            start_new_session=True,
        )
    atexit.register(_end, process)
    os.environ["PREFECT_API_URL"] = url
    return lambda: _wait_until_healthy(url, process, log)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()


def next_run(cron: str, now: datetime) -> datetime:
    """When a schedule is due next, in UTC as Prefect reads it.

    Raises:
        UserError: it is no cron schedule of five fields, or such a time never comes.
    """
    croniter = _croniter()
    words = cron.split()
    known = len(words) == 5 or (len(words) == 1 and cron.startswith("@"))
    # random and hashed fields are croniter's own, and Prefect refuses them
    if not known or not croniter.is_valid(cron) or {"r", "h"} & {word.lower() for word in words}:
        raise UserError(
            f"'{cron}' is no cron schedule. It has five fields: minute, hour, day of the month, month and day of the "
            'week, such as --cron "0 2 * * *" for every night at two (UTC).'
        )
    try:
        due: datetime = croniter(cron, now).get_next(datetime)
    except ValueError:
        raise UserError(
            f"The schedule '{cron}' never comes: no month has such a day. Choose another, such as "
            '--cron "0 2 * * *" for every night at two (UTC).'
        ) from None
    return due


def _croniter() -> Any:
    """Prefect's copy of croniter, loaded without Prefect: its settings are read once, when it is imported."""
    prefect = importlib.util.find_spec("prefect")
    assert prefect is not None and prefect.origin is not None, "looked for when the workspace was opened"
    folder = Path(prefect.origin).parent / "_vendor" / "croniter"
    spec = importlib.util.spec_from_file_location("ganops_croniter", folder / "__init__.py")
    assert spec is not None and spec.loader is not None, "the file's name ends in .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its parts import each other through it
    spec.loader.exec_module(module)
    return module.croniter


def serve(layout: Layout, cron: str, parameters: dict[str, Any]) -> None:
    """Serve `flows/retrain.py` until interrupted: one run at a time, each in a process of its own.

    The schedule stays active when the server stops, so that the next one goes on with it.
    """
    from prefect import serve as serve_deployments
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.deployments.runner import RunnerDeployment
    from prefect.settings import PREFECT_API_URL, temporary_settings

    # Prefect remembers the flow's file relative to here, and runs it from here
    os.chdir(layout.root)
    with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        deployment = RunnerDeployment.from_entrypoint(
            "flows/retrain.py:retrain",
            name=f"nightly-{layout.root.name}",
            cron=cron,
            parameters=parameters,
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        )
        try:
            serve_deployments(deployment, limit=1, pause_on_shutdown=False, print_starting_message=False)
        except Exception as error:  # of Prefect and its transport, which share no root
            said = without_credentials(" ".join(str(error).split()))[:300] or type(error).__name__
            raise FlowError(f"Prefect failed while serving the schedule: {said}. Start it again.") from error


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise FlowError(f"The Prefect server did not start within {_START_SECONDS:.0f} s. Its log: {log}.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
