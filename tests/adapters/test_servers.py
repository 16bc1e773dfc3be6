from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ganops.adapters import servers
from ganops.errors import FlowError, TrackingError, UserError


class Locked(BaseHTTPRequestHandler):
    """Answers everybody with 401."""

    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Locked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(servers, "_PAUSE_SECONDS", 0.0)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody listens who never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_answers_anything_is_there_and_its_password_is_no_part_of_its_name(port: int) -> None:
    servers.require_servers({"MLFLOW_TRACKING_URI": f"http://me:secret@127.0.0.1:{port}/x"})
    servers.require_servers({"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"})


def test_what_is_no_web_address_is_left_to_mlflow() -> None:
    servers.require_servers({"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"})
    servers.require_servers({})


@pytest.mark.parametrize(("variable", "kind"), [("MLFLOW_TRACKING_URI", TrackingError), ("PREFECT_API_URL", FlowError)])
def test_a_dead_or_silent_server_is_named_with_its_variable_and_without_its_password(
    variable: str, kind: type[Exception], silent: int
) -> None:
    for number in (9, silent):
        with pytest.raises(kind) as raised:
            servers.require_servers({variable: f"http://me:s3cret@127.0.0.1:{number}/api"})
        said = str(raised.value)
        assert f"http://127.0.0.1:{number}/api, which {variable} names" in said and "s3cret" not in said
        assert f"Start that server or correct {variable}" in said


@pytest.mark.parametrize("address", ["nonsense", "ws//x", "127.0.0.1"])
def test_what_is_no_address_is_the_users_mistake(address: str) -> None:
    with pytest.raises(UserError, match=f"PREFECT_API_URL is '{address}', and no address"):
        servers.require_servers({"PREFECT_API_URL": address})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:p@ss@host:5432/db", "postgresql://host:5432/db"),
        ("API request to http://me:s@h/api failed", "API request to http://h/api failed"),
        ("sqlite:////a/b@c.db", "sqlite:////a/b@c.db"),
    ],
)
def test_no_password_is_shown(text: str, shown: str) -> None:
    assert servers.without_credentials(text) == shown
