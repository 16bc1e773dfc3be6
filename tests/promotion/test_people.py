"""approve, reject, rollback, doctor: what a person may do, and what is refused."""

from __future__ import annotations

import json

import pytest
from ground import add_versions, champion_and_stages, reopened, require_whole, store_comparisons

from ganops import bootstrap
from ganops.bootstrap import App
from ganops.errors import DamagedFile, UnknownName, UserError

pytestmark = pytest.mark.slow


def last(app: App) -> tuple[str, int, int | None, int | None]:
    entry = app.journal.entries()[-1]
    return entry.event, entry.version, entry.from_version, entry.to_version


def test_a_person_approves_what_the_gate_would_promote(manual: App) -> None:
    promotion = manual.decide(2)
    assert promotion.outcome == "pending" and "ganops approve 2" in promotion.sentence
    assert last(manual) == ("pending", 2, 1, 2) and require_whole(manual) == 1
    manual.decide(2)
    assert [entry.event for entry in manual.journal.entries()].count("pending") == 1, "one line, however often asked"
    manual.approve(2, "ada", "looks good")
    assert last(manual) == ("promoted", 2, 1, 2) and require_whole(manual) == 2
    approved, intended, promoted = manual.journal.entries()[-3:]
    assert (approved.event, approved.reason, approved.details["by"]) == ("approved", "looks good", "ada")
    assert promoted.details["approved"] == approved.digest and promoted.details["intent"] == intended.digest
    assert approved.evidence == promoted.evidence is not None
    with pytest.raises(UserError, match="Version 2 is the champion already: there is nothing to approve"):
        manual.approve(2, "ada", "again")
    with pytest.raises(UserError, match=r"Version 2 is the champion already.*`ganops rollback`"):
        manual.reject(2, "ada", "after all")


def test_an_approval_is_refused_when_the_champion_has_changed_since(app: App) -> None:
    manual = reopened(app, gate__policy="manual")
    versions = add_versions(manual, 1)
    store_comparisons(manual, versions, (10.0, 8.0, 11.0, 6.0), 0.1)
    manual.decide(2)
    manual.decide(4)
    manual.approve(4, "ada", "the best")
    with pytest.raises(UserError, match=r"champion is version 4 now, .* against version 1.*`ganops promote 2`"):
        manual.approve(2, "ada", "too late")
    assert require_whole(manual) == 4


def test_an_approval_rests_on_the_evidence_that_was_shown(manual: App) -> None:
    manual.decide(2)
    pair = str(manual.journal.entries()[-1].details["pair"])
    path = manual.journal.path_of("decisions", pair)
    evidence = json.loads(path.read_bytes())
    evidence["decision"]["sentence"] = "Promoted, believe me."
    path.write_text(json.dumps(evidence))
    with pytest.raises(DamagedFile, match=rf"{pair}.json was edited"):
        manual.approve(2, "ada", "looks good")
    assert require_whole(manual) == 1


def test_nobodys_word_overrules_the_gate(manual: App) -> None:
    assert manual.decide(3).outcome == "kept-champion"
    with pytest.raises(UserError, match="nobody's word overrules it"):
        manual.approve(3, "ada", "I like it")
    with pytest.raises(UserError, match="nobody's word overrules it"):
        manual.reject(3, "ada", "nor this")
    with pytest.raises(UserError, match=r"waits for nobody's word.*`ganops promote 2`"):
        manual.approve(2, "ada", "was never asked")
    with pytest.raises(UnknownName, match="There is no version 9"):
        manual.approve(9, "ada", "what is it")


def test_what_a_person_rejected_is_not_promoted_by_a_later_run(manual: App) -> None:
    manual.decide(2)
    manual.reject(2, "ada", "a logo is cut off")
    assert last(manual) == ("rejected", 2, 1, 1)
    assert champion_and_stages(manual) == (1, {1: "Production", 2: "Archived", 3: "Staging"})
    for policy in ("manual", "standard"):
        again = reopened(manual, gate__policy=policy).decide(2)
        assert again.outcome == "kept-champion" and "by ada (a logo is cut off)" in again.sentence
    assert last(manual)[0] == "rejected", "and nothing is written down for asking again"
    assert require_whole(manual) == 1
    manual.approve(2, "grace", "it is meant to be")
    assert require_whole(manual) == 2


def test_a_rollback_goes_back_and_further_back(app: App) -> None:
    versions = add_versions(app, 1)
    store_comparisons(app, versions, (10.0, 8.0, 11.0, 6.0), 0.1)
    app.decide(2)
    app.decide(4)
    entry = app.rollback(None, "too many hands")
    assert (entry.event, entry.version, entry.from_version, entry.to_version) == ("rolled-back", 2, 4, 2)
    assert champion_and_stages(app) == (2, {1: "Archived", 2: "Production", 3: "Archived", 4: "Archived"})
    assert app.rollback(None, "this one too").to_version == 1, "not there and back again"
    assert require_whole(app) == 1
    with pytest.raises(UserError, match="no earlier champion"):
        app.rollback(None, "further")
    with pytest.raises(UserError, match=r"Version 3 was never in production.*were: 1, 2, 4"):
        app.rollback(3, "that one")
    with pytest.raises(UserError, match="champion already"):
        app.rollback(1, "again")
    app.rollback(4, "the hands are fine")
    assert require_whole(app) == 4
    assert app.rollback(None, "no, they are not").to_version == 1


def test_a_version_that_was_rolled_back_from_needs_a_person(app: App) -> None:
    app.decide(2)
    app.rollback(None, "too many hands")
    promotion = app.decide(2)
    assert promotion.outcome == "pending" and "too many hands" in promotion.sentence and require_whole(app) == 1
    app.approve(2, "ada", "counted them")
    assert require_whole(app) == 2


def test_a_damaged_former_champion_is_not_gone_back_to(app: App) -> None:
    app.decide(2)
    first = app.registry.versions()[-1]
    assert first.run is not None
    for path in (app.layout.state / "mlflow" / "artifacts" / first.run).rglob("model.json"):
        path.write_text("{}")
    with pytest.raises(DamagedFile, match="Version 1 of the model generator is damaged"):
        app.rollback(None, "bad hands")
    assert require_whole(app) == 2


def test_doctor_finds_what_was_moved_by_hand_and_the_journal_wins(app: App) -> None:
    app.decide(2)
    client = app.store.client()
    client.set_registered_model_alias("generator", "champion", "3")
    client.delete_registered_model_alias("generator", "previous")
    client.transition_model_version_stage("generator", "1", "Production")
    found = app.doctor(repair=False, adopt=False)
    assert {finding.severity for finding in found} == {"drift"} and all(finding.open for finding in found)
    said = " ".join(finding.what for finding in found)
    assert "alias champion to version 2 (it names version 3)" in said and "The journal wins" in said
    assert "alias previous to version 1 (it names nothing)" in said
    assert "version 1 to stage Archived (it is in Production)" in said
    assert champion_and_stages(app)[0] == 3, "it was asked to look only"
    repaired = app.doctor(repair=True, adopt=False)
    assert len(repaired) == len(found) and all(finding.repaired for finding in repaired)
    assert require_whole(app) == 2
    assert last(app) == ("repaired", 2, 3, 2)


@pytest.mark.parametrize("by", ["the next change", "doctor"])
def test_tags_of_a_decision_that_are_not_the_journals_are_written_anew(app: App, by: str) -> None:
    app.decide(3)
    app.decide(2)
    (third,) = (version for version in app.registry.versions() if version.version == 3)
    client = app.store.client()
    for tag in ("ganops.decision", "ganops.reason", "ganops.decided_by"):
        client.delete_model_version_tag("generator", "3", tag)
    client.set_model_version_tag("generator", "2", "ganops.decision", "kept-champion")
    if by == "doctor":
        app.doctor(repair=True, adopt=False)
        right = {1: "promoted", 2: "promoted", 3: "kept-champion"}
    else:
        app.rollback(None, "too many hands")
        right = {1: "restored", 2: "rolled-back", 3: "kept-champion"}
    there = {version.version: version.tags for version in app.registry.versions()}
    assert {number: tags["ganops.decision"] for number, tags in there.items()} == right
    assert there[3]["ganops.reason"] == third.tags["ganops.reason"]
    assert {tags["ganops.decided_by"] for tags in there.values()} == {third.tags["ganops.decided_by"]}


@pytest.mark.parametrize("damage", ["cut", "edited"])
def test_doctor_repairs_nothing_by_a_journal_that_is_not_whole(app: App, damage: str) -> None:
    app.decide(2)
    tags = app.registry.model_tags()
    lines = app.journal.path.read_bytes().splitlines(keepends=True)
    app.journal.path.write_bytes(
        b"".join([*lines[:-1], lines[-1].replace(b"Fr", b"fR")][: -1 if damage == "cut" else None])
    )
    damaged = reopened(app)
    for adopt in (False, damage == "edited"):  # a journal that is cut for good may be gone on with
        (finding,) = damaged.doctor(repair=True, adopt=adopt)
        assert (finding.severity, finding.about) == ("fault", "journal") and "git checkout journal" in finding.what
    assert champion_and_stages(app)[0] == 2 and app.registry.model_tags() == tags
    (look,) = (look for look in damaged.audit(None).looks if (look.kind, look.version) == ("registry", None))
    assert (look.verdict, look.findings) == ("not_applied", ())


@pytest.mark.parametrize("damage", ["gone", "garbage"])
def test_an_audit_goes_on_without_the_registry_and_makes_none(app: App, damage: str) -> None:
    database = app.layout.state / "mlflow" / "mlflow.db"
    database.unlink()
    if damage == "garbage":
        database.write_bytes(b"x" * 5000)
    audit = bootstrap.open_app(app.layout.root, reading=True).audit(None)
    (found,) = (finding for finding in audit.findings if finding.kind == "registry")
    assert str(database) in found.sentence and "was promoted" not in found.sentence
    assert audit.versions == (1, 2, 3) and {look.kind for look in audit.looks} >= {"journal", "clock", "keys", "data"}
    assert database.exists() == (damage == "garbage")


def test_doctor_says_when_the_champion_is_gone(app: App) -> None:
    app.decide(2)
    app.store.client().delete_model_version("generator", "2")
    (finding,) = app.doctor(repair=True, adopt=False)
    assert finding.severity == "fault" and "ganops rollback --to" in finding.what
    app.rollback(1, "version 2 was deleted")
    assert require_whole(app) == 1


def test_a_workspace_without_versions_is_healthy_and_has_nothing_to_go_back_to(app: App) -> None:
    fresh = reopened(app, model__name="another")
    assert fresh.doctor(repair=True, adopt=True) == [] and fresh.recover() is None
    with pytest.raises(UserError, match="no champion to roll back from"):
        fresh.rollback(None, "why")
