"""How long `ganops audit verify` looks, in a workspace that holds a version already."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from ganops import bootstrap
from ganops.files import digest_json, write_bytes
from ganops.models.snapshot import load_snapshot

MEGABYTES = 100
LINES = 10_000


def large_version(root: Path) -> float:
    """Seconds for one signed version of 100 MB, everything it is held against included."""
    app = bootstrap.open_app(root)
    app.keys.create()
    app = bootstrap.open_app(root)
    best = app.registry.versions()[0].tags["ganops.candidate"]
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Path(shutil.copytree(app.layout.snapshot(best), Path(folder) / "snapshot"))
        write_bytes(snapshot / "ballast.bin", os.urandom(MEGABYTES * 10**6))
        digest = load_snapshot(app.layout.snapshot(best)).sha256
        run = app.tracker.start("large", None, {}, {})
        made = app.registry.register(snapshot, digest, run, {"ganops.candidate": best})
    details = {"model": made.name, "candidate": best, "snapshot": digest, **app.notary.registered(made, best)}
    app.journal.append("registered", made.version, "large", details)
    return _timed(root, made.version)


def long_journal(root: Path) -> float:
    """Seconds for version 1 and a journal of 10,000 lines."""
    path = bootstrap.open_app(root).journal.path
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    last = entries[-1]
    while len(entries) < LINES:
        line = {**last, "event": "repaired", "previous": entries[-1]["digest"]}
        line["digest"] = digest_json({name: value for name, value in line.items() if name != "digest"})
        entries.append(line)
    path.write_text("".join(json.dumps(entry, sort_keys=True, separators=(",", ":")) + "\n" for entry in entries))
    return _timed(root, 1)


def _timed(root: Path, version: int) -> float:
    app = bootstrap.open_app(root)
    app.registry.versions()  # MLflow's start is not the audit's
    begun = time.monotonic()
    app.audit(version)
    return time.monotonic() - begun
