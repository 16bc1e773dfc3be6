"""A promotion that is interrupted anywhere leaves the old champion or the new one, and a whole history."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from user_shell import Shell

from ganops import bootstrap, workspace
from ganops.adapters.mlflow_registry import MlflowRegistry
from ganops.bootstrap import App
from ganops.errors import GanOpsError, IncomparableReports, RegistryError
from ganops.layout import Layout
from ganops.provenance.journal import Entry, Event, Journal
from ganops.stages import promote as stage

pytestmark = pytest.mark.slow


@pytest.fixture
def app(copied: Shell) -> App:
    """The trained workspace with an empty registry and history."""
    workspace.edit_params(Layout(copied.folder), {"model.name": "another"})
    shutil.rmtree(copied.folder / "journal")
    return bootstrap.open_app(copied.folder)


def events(app: App) -> list[str]:
    return [entry.event for entry in app.journal.entries()]


def test_a_registry_that_fails_means_no_promotion_and_the_decision_is_carried_out_later(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    registration = app.register()

    def refuse(self: MlflowRegistry, version: int, stage: str) -> None:
        raise RegistryError("the server is gone")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowRegistry, "move", refuse)
        with pytest.raises(RegistryError, match="Nothing was promoted"):
            app.promote(registration)
    assert [version.stage for version in app.registry.versions()] == ["Staging"]
    assert [version.aliases for version in app.registry.versions()] == [("challenger",)]
    assert events(app) == ["registered", "intended", "intended"], "announced, and taken back as far as it went"
    with monkeypatch.context() as patch:
        patch.setattr(stage, "compare", lambda *arguments: pytest.fail("a decision is taken once"))
        assert app.promote(registration).outcome == "promoted"
    assert events(app)[3:] == ["undone", "intended", "promoted"]
    assert [version.aliases for version in app.registry.versions()] == [("champion",)]


def test_a_history_that_was_cut_off_by_a_kill_is_completed(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    registration = app.register()

    append = Journal.append

    def killed(self: Journal, event: Event, *arguments: Any) -> Entry:
        if event == "promoted":
            raise KeyboardInterrupt
        return append(self, event, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            app.promote(registration)
    assert [version.stage for version in app.registry.versions()] == ["Production"]
    assert events(app) == ["registered", "intended"]
    assert app.promote(registration).outcome == "unchanged"
    assert events(app) == ["registered", "intended", "promoted"]
    app.promote(registration)
    assert events(app) == ["registered", "intended", "promoted"]


def test_an_edited_journal_stops_promotion(app: App) -> None:
    registration = app.register()
    path = app.layout.journal / "journal.jsonl"
    path.write_text(path.read_text().replace("registered", "promoted"))
    with pytest.raises(GanOpsError, match="Line 1"):
        app.promote(registration)
    assert [version.stage for version in app.registry.versions()] == ["Staging"]


def test_a_model_trained_on_test_images_is_not_judged_by_them(app: App) -> None:
    registration = app.register()
    workspace.edit_params(app.layout, {"data.split.seed": 1})
    for name in ("prepare", "reference"):
        app.pipeline.run(name, lambda line: None)
    with pytest.raises(IncomparableReports, match=r"extractor|preprocessing|training_images"):
        app.promote(registration)
    assert [version.stage for version in app.registry.versions()] == ["Staging"]


def test_a_model_that_was_swapped_in_the_registry_is_refused(app: App) -> None:
    registration = app.register()
    for path in (app.layout.state / "mlflow" / "artifacts").rglob("generator.safetensors"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    with pytest.raises(GanOpsError, match="sha256"):
        app.promote(registration)
    assert [version.stage for version in app.registry.versions()] == ["Staging"]


def test_stages_that_a_kill_left_in_disagreement_are_settled(app: App) -> None:
    registration = app.register()
    app.promote(registration)
    client = app.store.client()
    client.transition_model_version_stage("another", "1", "Staging")
    client.set_registered_model_alias("another", "challenger", "1")
    assert app.promote(registration).outcome == "unchanged"
    (version,) = app.registry.versions()
    assert (version.stage, version.aliases) == ("Production", ("champion",))
