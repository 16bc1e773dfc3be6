"""A change of champion through a registry that fails, lies or was touched, on real MLflow, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from ground import champion_and_stages, reopened, require_whole

from ganops.bootstrap import App
from ganops.errors import DamagedFile, RegistryError, SnapshotError, UserError
from ganops.ports import ModelVersion
from ganops.stages.promote import promote
from ganops.stages.registrar import Registrar
from ganops.stages.tags import CHANGE, LOCK, OWNER

pytestmark = pytest.mark.slow


class Failing:
    """The registry as it is, but calls from the `first`-th to the `last`-th fail, before or after their work."""

    def __init__(self, registry: Any, first: int, last: int, late: bool) -> None:
        self._registry, self._fails, self._late, self.calls = registry, range(first, last + 1), late, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._registry, name)
        if not callable(found):
            return found

        def asked(*arguments: Any) -> Any:
            self.calls += 1
            fails = self.calls in self._fails
            if not fails or self._late:
                answer = found(*arguments)
            if fails:
                raise RegistryError("MLflow at SERVER failed while answering: status 500. Nothing was promoted.")
            return answer

        return asked


def through(app: App, first: int, last: int, late: bool) -> tuple[Registrar, Failing]:
    failing = Failing(app.registry, first, last, late)
    return replace(app.registrar, registry=failing), failing


def events(app: App) -> list[str]:
    return [entry.event for entry in app.journal.entries()]


def test_one_failure_anywhere_means_no_promotion_or_a_whole_one(app: App) -> None:
    for call in range(1, 100):
        registrar, failing = through(app, call, call, late=call % 2 == 0)
        try:
            outcome = promote(app.workspace, registrar, 2).outcome
        except RegistryError as error:
            assert "Nothing was promoted" in str(error) and str(error).count("Nothing was promoted") == 1
            assert require_whole(app) == 1, call
        else:
            assert outcome == "promoted" and require_whole(app) == 2, call
            break
    assert call > 10 and failing.calls > 15, "the first failure that is survived comes after the journal's answer"
    assert events(app).count("promoted") == 2 and events(app).count("undone") >= 5


def test_a_registry_that_stays_away_is_put_back_when_it_answers_again(app: App) -> None:
    registrar, _ = through(app, 10, 10_000, late=True)
    with pytest.raises(RegistryError, match=r"Nothing was promoted, but .* `ganops recover`"):
        promote(app.workspace, registrar, 2)
    assert app.journal.open_intent(app.registry.name) is not None
    assert "undone" in str(reopened(app).recover())
    assert require_whole(app) == 1
    assert app.decide(2).outcome == "promoted", "the decision stands, and is carried out"
    assert require_whole(app) == 2


def test_an_old_answer_after_the_change_is_no_confirmation(app: App) -> None:
    old = app.registry.versions()
    registrar, failing = through(app, 0, 0, late=False)
    failing.versions = lambda: old  # type: ignore[attr-defined]
    with pytest.raises(RegistryError, match="did not confirm alias"):
        promote(app.workspace, registrar, 2)
    assert require_whole(app) == 1
    assert events(app)[-3:] == ["intended", "intended", "undone"]


def test_a_champion_that_the_journal_does_not_know_stops_everything_but_a_rollback(app: App) -> None:
    assert app.decide(2).outcome == "promoted"
    client = app.store.client()
    client.set_registered_model_alias("generator", "champion", "3")
    for act in (lambda: app.decide(1), lambda: app.approve(1, "ada", "why"), lambda: app.reject(1, "ada", "why")):
        with pytest.raises(RegistryError, match=r"champion .* is version 3, and .*journal.jsonl that it is version 2"):
            act()
    assert events(app)[-1] == "promoted" and app.registry.versions()[0].aliases == ("challenger", "champion")
    assert app.rollback(1, "somebody moved it").to_version == 1
    assert require_whole(app) == 1


def test_stages_that_were_moved_by_hand_are_settled_by_the_next_promotion(app: App) -> None:
    client = app.store.client()
    client.transition_model_version_stage("generator", "1", "Staging")
    client.transition_model_version_stage("generator", "3", "Production")
    assert app.decide(2).outcome == "promoted"
    assert require_whole(app) == 2


def test_a_model_that_cannot_be_served_is_not_promoted(app: App) -> None:
    version = app.registry.versions()[1]
    assert version.version == 2 and version.run is not None
    (path,) = (app.layout.state / "mlflow" / "artifacts" / version.run).rglob("generator.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(SnapshotError, match="Version 2 of the model generator is damaged"):
        app.decide(2)
    assert require_whole(app) == 1 and "intended" not in events(app)[4:]
    path.write_bytes(content)
    assert app.decide(2).outcome == "promoted"


def test_a_statement_that_does_not_verify_stops_a_promotion(app: App) -> None:
    def refuse(version: object) -> None:
        raise DamagedFile("the signature is another key's")

    with pytest.raises(DamagedFile, match="another key"):
        promote(app.workspace, replace(app.registrar, verify=refuse), 2)
    assert require_whole(app) == 1


def test_a_version_that_was_deleted_in_the_middle_is_taken_back(app: App) -> None:
    registrar, _ = through(app, 10, 10_000, late=True)
    with pytest.raises(RegistryError):
        promote(app.workspace, registrar, 2)
    client = app.store.client()
    client.delete_model_version("generator", "2")
    assert reopened(app).recover() is not None
    assert require_whole(app) == 1


def test_a_dry_run_changes_nothing(app: App) -> None:
    before = (app.registry.versions(), app.registry.model_tags(), app.journal.entries())
    files = sorted(app.layout.journal.rglob("*"))
    promotion = app.decide(2, dry_run=True)
    assert promotion.outcome == "promoted" and promotion.decision is not None and promotion.decision.attempt == 1
    assert (app.registry.versions(), app.registry.model_tags(), app.journal.entries()) == before
    assert sorted(app.layout.journal.rglob("*")) == files


def test_a_try_that_was_killed_before_its_decision_keeps_its_share_of_alpha(app: App) -> None:
    registrar, failing = through(app, 0, 0, late=False)

    def tag(version: ModelVersion, tags: Mapping[str, str]) -> None:
        app.registry.tag(version, tags)
        raise RegistryError("the answer was lost")

    failing.tag = tag  # type: ignore[attr-defined]  # the first one tells everybody of the try
    with pytest.raises(RegistryError, match="the answer was lost"):
        promote(app.workspace, registrar, 3)
    assert len(app.journal.decided_pairs()) == 1, "nothing was decided yet but the first promotion"
    second = app.decide(2)
    assert second.decision is not None and second.decision.attempt == 2
    third = app.decide(3)
    assert third.decision is not None and third.decision.attempt == 3, "against another champion it is another try"


# ---------------------------------------------------------------- several workspaces


def other_workspace(app: App) -> App:
    """The same registry and journal, as a clone on another machine would have them."""
    (app.layout.state / "workspace-id").unlink()
    return reopened(app)


def test_another_workspace_is_refused_without_a_lock_that_both_can_take(app: App) -> None:
    owner = app.registry.model_tags()[OWNER]
    clone = other_workspace(app)
    acts: list[Callable[[], object]] = [
        lambda: clone.decide(2),
        lambda: clone.rollback(None, "why"),
        lambda: clone.approve(2, "ada", "why"),
    ]
    for act in acts:
        with pytest.raises(UserError, match=rf"belongs to another workspace \({owner}\).*PostgreSQL DSN"):
            act()
    assert champion_and_stages(clone)[0] == 1
    (finding,) = clone.doctor(repair=False, adopt=False)
    assert finding.about == "owner" and finding.open
    adopted = clone.doctor(repair=False, adopt=True)
    assert [found.repaired for found in adopted] == [True] and clone.registry.model_tags()[OWNER] != owner
    assert clone.decide(2).outcome == "promoted"
    before = clone.journal.entries()
    (again,) = clone.doctor(repair=False, adopt=True)
    assert "owns the model already" in again.what and not again.open and clone.journal.entries() == before


def test_the_owner_too_has_to_take_the_lock_that_others_take(app: App) -> None:
    app.registry.tag_model({LOCK: "postgresql:7/locks"})
    with pytest.raises(UserError, match=r"promoted under the PostgreSQL lock 7/locks, .* is a lock in a file"):
        app.decide(2)


def test_a_copy_that_went_on_elsewhere_is_not_believed(app: App) -> None:
    path = app.journal.path
    before = path.read_bytes()
    app.decide(2)
    path.write_bytes(before)
    with pytest.raises(DamagedFile, match="its end was cut off, or this is a copy"):
        reopened(app).decide(3)
    assert [found.severity for found in reopened(app).doctor(repair=True, adopt=False)] == ["fault"]
    adopted = reopened(app).doctor(repair=True, adopt=True)
    assert all(found.repaired for found in adopted) and "whose last lines are lost" in adopted[0].what
    assert require_whole(reopened(app)) == 1, "the journal wins, and it knows of no other promotion"


def test_a_record_of_the_last_change_that_was_edited_is_written_anew(app: App) -> None:
    app.registry.tag_model({CHANGE: "{"})
    with pytest.raises(RegistryError, match="was edited"):
        app.decide(2)
    assert [found.open for found in app.doctor(repair=False, adopt=False)] == [True]
    assert [found.repaired for found in app.doctor(repair=True, adopt=False)] == [True]
    assert app.decide(2).outcome == "promoted" and require_whole(app) == 2
