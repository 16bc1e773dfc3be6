"""What is open around a workspace that should not be: servers, versions with known holes, keys, the lock."""

from __future__ import annotations

import ipaddress
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from ganops.adapters.servers import without_credentials
from ganops.layout import Layout
from ganops.reports.findings import Finding

_HOLES = {
    "torch": ((2, 6), "loads pickles that claim to hold weights only (CVE-2025-32434)"),
    "mlflow": ((3, 11), "has known holes in its server"),
}
"""The first version without them."""

_ASKED = {
    "MLFLOW_TRACKING_URI": "api/2.0/mlflow/registered-models/search?max_results=1",
    "PREFECT_API_URL": "admin/version",
}
"""What a server of that variable answers to anybody where it asks nobody who he is."""

_NETWORK_DISKS = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "glusterfs", "ceph")
_TIMEOUT_SECONDS = 5.0


def surroundings(layout: Layout, environment: Mapping[str, str], lock: str) -> list[Finding]:
    """Warnings; lock: `promotion.lock` of params.yaml."""
    return [
        *_open_servers(environment),
        *_old_versions({name: metadata.version(name) for name in _HOLES}),
        *_readable_keys(layout.state / "keys"),
        *_weak_lock(layout, lock),
    ]


def _open_servers(environment: Mapping[str, str]) -> Iterator[Finding]:
    for variable, path in _ASKED.items():
        url = environment.get(variable, "")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or _is_loopback(parts.hostname or ""):
            continue
        bare = without_credentials(url)
        if _answers_anybody(f"{bare.rstrip('/')}/{path}"):
            what = (
                f"{bare} ({variable}) answers without asking who is there: whoever reaches it can move aliases and "
                "replace models. Turn its authentication on, or let it listen on 127.0.0.1 behind a proxy that asks."
            )
            yield Finding("warning", "open server", what)
        if parts.scheme == "http" and parts.password:
            what = f"{bare} ({variable}) gets its password over plain http, for everyone on the way to read: use https."
            yield Finding("warning", "open server", what)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _answers_anybody(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _old_versions(installed: Mapping[str, str]) -> Iterator[Finding]:
    for name, (first_good, hole) in _HOLES.items():
        if _numbers(installed[name]) < first_good:
            wanted = ".".join(map(str, first_good))
            yield Finding("warning", "version", f"{name} {installed[name]} {hole}: install {wanted} or newer.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def _readable_keys(folder: Path) -> Iterator[Finding]:
    """A public key is for everybody; what else lies among the keys is for its owner alone."""
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.is_file() and b"PUBLIC KEY" not in path.read_bytes()[:200] and path.stat().st_mode & 0o077:
            mode = path.stat().st_mode & 0o777
            what = f"{path} can be read or written by others (mode {mode:03o}): `chmod 600 {path}`."
            yield Finding("warning", "key", what)


def _weak_lock(layout: Layout, lock: str) -> Iterator[Finding]:
    if lock != "file":
        return
    if (kind := _disk_of(layout.state)).startswith(_NETWORK_DISKS):
        what = (
            f"promotion.lock is a file, and {layout.state} lies on a network disk ({kind}), where a lock may not hold "
            "off another machine: use a PostgreSQL DSN."
        )
        yield Finding("warning", "lock", what)


def _disk_of(path: Path) -> str:
    """The kind of file system that holds `path`; empty where that cannot be told."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    above = [(point, kind) for point, kind in mounts if path.resolve().is_relative_to(point)]
    return max(above, default=("", ""), key=lambda mount: len(mount[0]))[1]
