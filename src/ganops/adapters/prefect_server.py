"""A Prefect server for one machine, and the schedule that it keeps."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
        try:
            deployment = RunnerDeployment.from_entrypoint(
                "flows/retrain.py:retrain",
                name=f"nightly-{layout.root.name}",
                cron=cron,
                parameters=parameters,
                concurrency_limit=ConcurrencyLimitConfig(
                    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
                ),
            )
        except ValueError as error:
            raise UserError(f"The schedule '{cron}' cannot be used: {' '.join(str(error).split())}") from None
        serve_deployments(deployment, limit=1, pause_on_shutdown=False, print_starting_message=False)


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
