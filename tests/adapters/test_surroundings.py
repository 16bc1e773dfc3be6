"""What `ganops doctor` warns of around a workspace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ganops.adapters import surroundings as looked
from ganops.adapters.surroundings import surroundings
from ganops.layout import Layout


class _Server(BaseHTTPRequestHandler):
    """Asks who is there, unless its port was told not to."""

    asks = False

    def do_GET(self) -> None:
        self.send_response(401 if type(self).asks else 200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(looked, "_is_loopback", lambda host: host == "localhost")  # 127.0.0.1 plays a far machine
    with HTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def found(tmp_path: Path, **environment: str) -> list[tuple[str, str]]:
    findings = surroundings(Layout(tmp_path), environment, "file")
    assert all(finding.severity == "warning" and not finding.open for finding in findings)
    return [(finding.about, finding.what) for finding in findings]


def test_nothing_is_said_of_a_workspace_by_itself(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_a_server_that_asks_nobody_is_named(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        ((about, what),) = found(tmp_path, **{variable: f"http://{server}"})
        assert about == "open server" and variable in what and "without asking" in what
    assert found(tmp_path, MLFLOW_TRACKING_URI=f"http://{server.replace('127.0.0.1', 'localhost')}") == []
    monkeypatch.setattr(_Server, "asks", True)
    assert found(tmp_path, MLFLOW_TRACKING_URI=f"http://{server}") == []
    ((_, what),) = found(tmp_path, MLFLOW_TRACKING_URI=f"http://me:s3cret@{server}")
    assert "plain http" in what and "s3cret" not in what


@pytest.mark.parametrize(
    ("name", "version", "warned"),
    [
        ("torch", "2.5.1+cpu", True),
        ("torch", "2.11.0", False),
        ("mlflow", "3.9.0", True),
        ("mlflow", "3.11.1", False),
    ],
)
def test_versions_with_known_holes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str, warned: bool
) -> None:
    monkeypatch.setattr(looked.metadata, "version", lambda asked: version if asked == name else "99.0")
    assert [about for about, _ in found(tmp_path)] == ["version"] * warned


def test_a_key_that_others_can_read_is_named(tmp_path: Path) -> None:
    keys = Layout(tmp_path).state / "keys"
    keys.mkdir(parents=True)
    (keys / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (keys / "public.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    (keys / "private.pem").chmod(0o640)
    (keys / "public.pem").chmod(0o644)
    ((about, what),) = found(tmp_path)
    assert about == "key" and "private.pem" in what and "640" in what and "chmod 600" in what
    (keys / "private.pem").chmod(0o600)
    assert found(tmp_path) == []


def test_a_lock_in_a_file_on_a_network_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looked, "_disk_of", lambda path: "nfs4")
    ((about, what),) = found(tmp_path)
    assert about == "lock" and "nfs4" in what
    assert surroundings(Layout(tmp_path), {}, "env:LOCK") == []
