"""A real MLflow server behind something that fails: no promotion, one paragraph, exit code 1."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from crew import Crew
from ground import require_whole

from ganops import workspace as workspaces
from ganops.bootstrap import App
from ganops.layout import Layout

pytestmark = pytest.mark.slow

Fault = Callable[[str, str], str | None]
"""Told method and path of a request; says what becomes of it: None, `refuse`, `500`, `500 after`, `hang` or `old`."""


@dataclass
class Proxy:
    """Hands requests on to MLflow, but for those that `fault` names."""

    port: int
    fault: Fault = lambda method, path: None
    old: dict[str, bytes] = field(default_factory=dict)
    faults: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening}"

    def __enter__(self) -> Proxy:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:
                """Quiet."""

            def _handle(self) -> None:
                proxy.handle(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.listening = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self.fault(request.command, request.path)
        self.faults += fault is not None
        asked = f"{request.command} {request.path} {body.decode(errors='replace')}"
        if fault == "refuse":
            request.connection.close()
            return
        if fault == "hang":
            self.released.wait(60)
            return
        if fault == "500":
            self._answer(request, 500, b'{"error_code": "INTERNAL_ERROR", "message": "broken on purpose"}')
            return
        if fault == "old" and asked in self.old:
            self._answer(request, 200, self.old[asked])
            return
        onward = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        onward.request(request.command, request.path, body, headers)
        answer = onward.getresponse()
        content = answer.read()
        if fault == "500 after":
            self._answer(request, 500, b'{"error_code": "INTERNAL_ERROR", "message": "broken on purpose"}')
            return
        if fault is None:
            self.old[asked] = content
        self._answer(request, answer.status, content)

    @staticmethod
    def _answer(request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real MLflow server with its own database and artifacts."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, *stores], stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(port, process, folder / "log")
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while True:
        assert process.poll() is None and time.monotonic() < end, log.read_text(errors="replace")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)


@pytest.fixture(scope="module")
def served(server: int, crew: Crew, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose registry is that server: version 1 is champion, version 2 is better."""
    folder = tmp_path_factory.mktemp("served") / "mine"
    address = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{server}"}
    crew("make", address, folder=str(folder), distances=(10.0, 8.0), changes={})
    return folder


def writes(part: str) -> Callable[[str, str], bool]:
    return lambda method, path: method != "GET" and part in path


FAULTS: dict[str, tuple[str, Callable[[str, str], bool]]] = {
    "refuses from the beginning": ("refuse", lambda method, path: True),
    "answers 500 to everything": ("500", lambda method, path: True),
    "hangs on an alias": ("hang", writes("alias")),
    "answers 500 to the second alias": ("500", writes("alias")),
    "answers 500 after it has set an alias": ("500 after", writes("alias")),
    "answers 500 to the stage": ("500", writes("transition-stage")),
    "refuses the record": ("refuse", writes("registered-models/set-tag")),
    "gives an old answer when it is read again": ("old", lambda method, path: method == "GET"),
}


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_means_no_promotion_and_exit_code_1(
    name: str, served: Path, server: int, crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(served, tmp_path / "mine")
    patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
    kind, concerned = FAULTS[name]
    with Proxy(server) as proxy:
        address = {"MLFLOW_TRACKING_URI": proxy.url}
        if kind == "old":
            crew("recover", {**address, **patience}, folder=str(tmp_path / "mine"))  # which the proxy remembers
        passed = 1 if "second" in name else 0

        def fault(method: str, path: str) -> str | None:
            nonlocal passed
            if not concerned(method, path) or path in ("/", "/health"):
                return None
            if passed:
                passed -= 1
                return None
            return kind

        proxy.fault = fault
        job = ("promote", {"folder": str(tmp_path / "mine"), "version": 2}, {**address, **patience})
        (told,) = crew.at_once([job])
        assert told["exit_code"] == 1 and proxy.faults > 0, told
        assert "Nothing was promoted" in told["error"], told
        assert told["error"].count("Nothing was promoted") == 1 and "\n" not in told["error"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server}")
    app = App(workspaces.load(Layout(tmp_path / "mine")))
    app.recover()
    assert require_whole(app) == 1, "once the registry answers, the old champion is there, whole"
    # what this copy has written down is taken over into the next one, whose journal the server knows too
    shutil.copytree(tmp_path / "mine" / "journal", served / "journal", dirs_exist_ok=True)


def test_the_decision_is_carried_out_once_the_registry_answers(
    served: Path, server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server}")
    app = App(workspaces.load(Layout(served)))
    assert app.decide(2).outcome == "promoted" and require_whole(app) == 2
