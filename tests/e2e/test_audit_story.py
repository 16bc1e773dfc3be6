"""Three promotions, a rejection and a rollback, as an auditor finds them who has never seen the project."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from user_shell import Shell

from ganops import bootstrap, workspace
from ganops.bootstrap import App
from ganops.commands import provenance, versions
from ganops.evaluation.comparison import Comparison, Contrast
from ganops.evaluation.estimate import Measurement
from ganops.evaluation.protocol import Protocol
from ganops.evaluation.reference import test_reference as read_reference
from ganops.layout import Layout
from ganops.models import build_generator, load_snapshot, save_snapshot
from ganops.stages.evaluated import require_report
from ganops.stages.promote import Pair

pytestmark = pytest.mark.slow
MODEL, CANDIDATE = "story", "lite"
DISTANCES = {1: 9.0, 2: 7.0, 3: 5.0, 4: 3.0}
"""Fréchet distances that are stored instead of measured: each version is better than the one before."""
GUARDS = ("kernel_distance", "coverage", "recall", "class_coverage", "memorisation")


@pytest.fixture
def app(copied: Shell) -> App:
    """A workspace with a key, and an empty registry and history."""
    settings = {f"gate.guards.{name}.enabled": False for name in GUARDS}
    workspace.edit_params(Layout(copied.folder), {"model.name": MODEL, **settings})
    shutil.rmtree(copied.folder / "journal")
    bootstrap.open_app(copied.folder).keys.create()
    opened = bootstrap.open_app(copied.folder)
    opened.keep("A key")
    return opened


def reopened(app: App, **settings: object) -> App:
    workspace.edit_params(app.layout, {name.replace("__", "."): value for name, value in settings.items()})
    return bootstrap.open_app(app.layout.root)


def registered(app: App, seed: int, folder: Path) -> int:
    """Another version, as `register` makes it, of a generator that was not trained."""
    trained = load_snapshot(app.layout.snapshot(CANDIDATE))
    made = save_snapshot(folder / str(seed), build_generator(trained.spec, seed), trained.spec, trained.info)
    report = require_report(app.layout, CANDIDATE)
    run = app.tracker.start(CANDIDATE, None, {"seed": seed}, {})
    fd = f"{report.fd_star.value:.6g}"
    tags = {"ganops.candidate": CANDIDATE, "ganops.score": report.score_name, "ganops.fd": fd}
    version = app.registry.register(folder / str(seed), made.sha256, run, tags)
    details = {"model": MODEL, "candidate": CANDIDATE, "snapshot": made.sha256}
    app.journal.append(
        "registered", version.version, f"made with seed {seed}", details | app.notary.registered(version, CANDIDATE)
    )
    app.registrar.anchor()
    app.registry.point("challenger", version.version)
    app.registry.move(version.version, "Staging")
    for other in app.registry.versions():
        if other.stage == "Staging" and other.version != version.version:
            app.registry.move(other.version, "Archived")
    store_comparisons(app)
    return version.version


def store_comparisons(app: App) -> None:
    reference = read_reference(app.layout.reference).hash
    versions = app.registry.versions()
    for challenger in versions:
        for champion in (None, *versions):
            pair = Pair(challenger, champion, reference)
            if challenger == champion or app.journal.comparison(pair.key) is not None:
                continue
            ours = Measurement(DISTANCES[challenger.version], 0.1)
            theirs = Measurement(DISTANCES[champion.version], 0.1) if champion else None
            gain = Measurement(theirs.value - ours.value, 0.1 * math.sqrt(2)) if theirs else None
            protocol = require_report(app.layout, CANDIDATE).protocol.to_json() | {"reference_hash": reference}
            comparison = Comparison(
                challenger.snapshot_sha256,
                champion.snapshot_sha256 if champion else None,
                Protocol.from_json(protocol),
                {"fd_star": Contrast(ours, theirs, gain)},
            )
            app.journal.store("comparisons", pair.key, comparison.to_json())


def test_history_audit_and_page_tell_the_story(app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2, 3):
        assert app.decide(registered(app, seed, tmp_path)).outcome == "promoted"
    manual = reopened(app, gate__policy="manual")
    assert manual.decide(registered(manual, 4, tmp_path)).outcome == "pending"
    manual.reject(4, "Anna", "the threes look like eights")
    manual.rollback(None, "customers complain of version 3")
    manual.keep("The story")
    root = app.layout.root

    versions.history(root, all_models=False, json=True)
    events = json.loads(capsys.readouterr().out)["events"]
    told = [(event["event"], event["version"], event["actor"]) for event in events if event["event"] != "registered"]
    actor = app.journal.actor
    assert told == [
        ("promoted", 1, actor), ("promoted", 2, actor), ("promoted", 3, actor),
        ("pending", 4, actor), ("rejected", 4, "Anna"), ("rolled-back", 2, actor),
    ]  # fmt: skip

    audit = bootstrap.open_app(root).audit(None)
    assert [finding.sentence for finding in audit.findings] == []
    assert (audit.versions, audit.remarks) == ((1, 2, 3, 4), ())

    pages = {}
    for version in (2, 3, 4):
        provenance.audit_show(root, version, tmp_path / "page.html")
        pages[version] = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "stage Production (alias champion)" in pages[2]
    assert "In production since" in pages[2] and "by a rollback of" in pages[2]
    assert "Taken out of production" in pages[3] and "The gate would promote it; rejected by Anna" in pages[4]
    assert "customers complain of version 3" in pages[2] and "customers complain of version 3" in pages[3]
    assert "stage Archived" in pages[3] and "stage Archived" in pages[4]
    assert "the threes look like eights" in pages[4] and "Anna" in pages[4]
    assert "Waiting for a person" in pages[4]
