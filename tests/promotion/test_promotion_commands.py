"""promote, approve, reject, rollback, recover, doctor and history, as a user types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ground import add_versions, reopened, store_comparisons

from ganops import cli
from ganops.adapters.dvc_pipeline import DvcPipeline
from ganops.bootstrap import App, promotion_lock

pytestmark = pytest.mark.slow

Command = Callable[..., Any]


@pytest.fixture
def kept(app: App) -> App:
    """The workspace with a history in git."""
    app = reopened(app, git__commit=True)
    pipeline = DvcPipeline(app.layout)
    pipeline.init()
    pipeline.commit("Begin")
    versions = add_versions(app, 1)
    store_comparisons(app, versions, (10.0, 8.0, 11.0, 6.0), 0.1)
    return app


@pytest.fixture
def ganops(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command line in this process: what it printed, or the JSON of it, after it ended with `expect`."""

    def run(*arguments: str, expect: int = 0) -> Any:
        monkeypatch.setattr("sys.argv", ["ganops", "-w", str(tmp_path / "copy"), *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        assert ended.value.code == expect, (arguments, told)
        if expect:
            last = told.err.splitlines()[-1]
            assert last.startswith("error: ")
            return last
        return json.loads(told.out) if "--json" in arguments else told.out

    return run


def git(app: App, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=app.layout.root, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_whole_story(kept: App, ganops: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANOPS_ACTOR", "ada@example.org")
    dry = ganops("promote", "2", "--dry-run", "--json")
    assert (dry["decision"], dry["dry_run"], dry["champion"], dry["attempt"]) == ("promoted", True, 1, 1)
    assert [check["verdict"] for check in dry["checks"] if check["name"] == "fd_improvement"] == ["passed"]
    shown = ganops("promote", "2", "--dry-run")
    assert "Dry run, nothing was changed. Promoted." in shown
    assert "Fréchet distance" in shown and "not applied" in shown
    assert "fd_improvement" not in shown and "not_applied" not in shown and not re.search(r"\d\.\d{5}", shown)
    assert ganops("promote", "2", "--json")["decision"] == "promoted"
    assert ganops("promote", "3", "--json")["decision"] == "kept-champion"
    assert ganops("promote", "--json")["version"] == 4, "by default the challenger"
    gone_back = ganops("rollback", "--reason", "too  many\nhands [/]", "--json")
    assert (gone_back["from"], gone_back["to"], gone_back["reason"]) == (4, 2, "too many hands [/]")
    asked = ganops("promote", "4", "--json")
    assert asked["decision"] == "pending" and asked["champion"] == 2
    assert ganops("reject", "4", "--by", "grace", "--reason", "still too many", "--json")["actor"] == "grace"
    assert ganops("recover", "--json") == {"recovered": None}
    assert ganops("doctor", "--json") == {"healthy": True, "findings": []}
    versions = {row["version"]: row for row in ganops("status", "--json")["versions"]}
    assert [versions[n]["decision"] for n in (1, 2, 3, 4)] == ["promoted", "restored", "kept-champion", "rejected"]
    there = {version.version: version.tags.get("ganops.decision") for version in kept.registry.versions()}
    assert there == {number: row["decision"] for number, row in versions.items()}
    events = ganops("history", "--json")["events"]
    (put,) = (event["time"] for event in events if event["event"] == "rolled-back")
    assert [versions[n]["in_production_since"] for n in (1, 2, 3, 4)] == [None, put, None, None]
    assert "in production since" in ganops("status")
    told = [(event["event"], event["version"], event["from"], event["to"]) for event in events[4:]]
    assert told == [
        ("registered", 4, None, None),
        ("promoted", 2, 1, 2),
        ("kept-champion", 3, 2, 2),
        ("promoted", 4, 2, 4),
        ("rolled-back", 2, 4, 2),
        ("pending", 4, 2, 4),
        ("rejected", 4, 2, 2),
    ]
    assert [event["actor"] for event in events[5:]] == ["ada@example.org"] * 5 + ["grace"]
    assert "too many hands [/]" in ganops("history").replace("\n", " ") or "[/]" in ganops("history")
    tags = git(kept, "tag", "--list").splitlines()
    # version 1 was promoted before there was a git: its mark is made up for
    assert [tag.split("/")[2].rsplit("-", 1)[0] for tag in tags] == sorted(
        ["v1-promoted", "v2-promoted", "v3-kept-champion", "v4-promoted", "v2-rolled-back", "v4-pending", "v4-rejected"]
    )
    head = kept.journal.head()
    (last,) = (tag for tag in tags if tag.endswith(f"-{head.count}"))
    assert f"journal {head.count}:{head.digest}" in git(kept, "tag", "--list", "--format=%(contents)", last)
    assert git(kept, "cat-file", "-t", last) == "tag" and not git(kept, "status", "--porcelain", "journal")
    anchors = [value for name, value in kept.registry.model_tags().items() if name.startswith("ganops.journal.")]
    assert anchors == [f"{head.count}:{head.digest}"]


def test_a_lock_server_that_is_dead_hinders_whoever_promotes_and_doctor_says_so(app: App, ganops: Command) -> None:
    before = app.journal.path.read_bytes()
    reopened(app, promotion__lock="postgresql://ada@127.0.0.1:9/locks")
    dead = "PostgreSQL at 127.0.0.1:9/locks (promotion.lock) cannot be reached"
    assert dead in ganops("promote", "2", expect=1)
    assert dead in ganops("approve", "2", "--by", "ada", "--reason", "why", expect=1)
    assert app.journal.path.read_bytes() == before
    (finding,) = reopened(app).doctor(repair=True, adopt=False)
    assert (finding.severity, finding.about) == ("fault", "lock") and dead in finding.what and finding.open
    assert "act on what is marked fault" in ganops("doctor", expect=1)
    (finding,) = reopened(app, promotion__lock="env:NO_SUCH_LOCK").doctor(repair=False, adopt=False)
    assert finding.about == "lock" and "environment variable NO_SUCH_LOCK is not set" in finding.what
    ganops("doctor", expect=1)


def test_doctor_says_who_holds_the_lock(app: App, ganops: Command) -> None:
    assert app.workspace.config.promotion.timeout_seconds > 60, "who only looks does not wait for so long"
    with promotion_lock(app.workspace, {}, "grace", print)():
        (finding,) = app.doctor(repair=False, adopt=False)
        assert finding.about == "lock" and f"process {os.getpid()} of grace on" in finding.what
        ganops("doctor", expect=1)
    assert "Registry and journal agree" in ganops("doctor")


def test_an_audit_that_looked_at_no_version_does_not_say_that_all_is_well(app: App, ganops: Command) -> None:
    audit = reopened(app, model__name="elsewhere").audit(None)
    assert audit.findings == () and audit.to_json()["clean"] is False
    assert any("lines on generator, too, which were not looked at" in remark for remark in audit.remarks)
    shown = ganops("audit", "verify", "--all", expect=2)
    assert "No version was looked at: neither registry nor journal knows one of the model elsewhere" in shown


def test_history_is_of_the_model_of_today(app: App, ganops: Command) -> None:
    before = ganops("history", "--json")
    assert (before["model"], before["other_models"]) == ("generator", [])
    assert "--all-models" not in ganops("history")
    reopened(app, model__name="another")
    assert ganops("history", "--json") == {"model": "another", "events": [], "other_models": ["generator"]}
    said = ganops("history")
    assert "Nothing has happened to the model another yet" in said and "events of generator, too" in said
    everything = ganops("history", "--all-models", "--json")["events"]
    assert everything == before["events"] and {event["model"] for event in everything} == {"generator"}
    shown = ganops("history", "--all-models")
    assert "generator" in shown and "too (model.name" not in shown


def test_mistakes_are_one_paragraph(app: App, ganops: Command) -> None:
    assert "There is no version 99" in ganops("promote", "99", expect=2)
    assert "Missing option '--reason'" in ganops("rollback", expect=2)
    assert "--reason needs a text" in ganops("rollback", "--reason", "  ", expect=2)
    assert "--by needs at most" in ganops("approve", "2", "--by", "x" * 3000, "--reason", "why", expect=2)
    for odd, spelt in {"\x1b[2J": r"\x1b", "\u202eelgae": r"\u202e", "\u2066": r"\u2066", "\udcff": r"\udcff"}.items():
        said = ganops("approve", "2", "--by", f"ada{odd}", "--reason", "why", expect=2)
        assert f"--by holds the character {spelt}," in said
        assert f"--reason holds the character {spelt}," in ganops("rollback", "--reason", f"so{odd}", expect=2)
    assert "no earlier champion" in ganops("rollback", "--reason", "می\u200cخواهم", expect=2)
    assert "'--to'" in ganops("rollback", "--to", "0", "--reason", "why", expect=2)
    assert "waits for nobody's word" in ganops("reject", "2", "--by", "ada", "--reason", "why", expect=2)
    app.store.client().set_registered_model_alias("generator", "champion", "3")
    assert "ganops doctor --repair" in ganops("promote", "2", expect=1)
    assert "Registry and journal do not agree" in ganops("doctor", expect=1)
    assert ganops("doctor", "--repair", "--json")["healthy"] is True
    app.store.client().delete_registered_model_alias("generator", "challenger")
    assert "has no challenger" in ganops("promote", expect=2)
    params = app.layout.params.read_text()
    app.layout.params.write_text(params.replace("lock: file", "lock: postgresql://me:s3cret@host/x"))
    said = ganops("promote", "2", expect=2)
    assert "PGPASSWORD" in said and "env:NAME" in said and "s3cret" not in said
    app.layout.params.write_text(params.replace("lock: file", "lock: env:NO_SUCH_LOCK"))
    assert "NO_SUCH_LOCK is not set" in ganops("promote", "2", expect=2)
    assert "NO_SUCH_LOCK is not set" in ganops("approve", "2", "--by", "ada", "--reason", "why", expect=2)
    app.layout.params.write_text(params.replace("lock: file", "lock: flie"))
    assert "lock must be `file`" in ganops("promote", "2", expect=2)
