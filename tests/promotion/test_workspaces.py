"""Two workspaces promote one model: each finishes what the other left, and neither takes back what the other did."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ground import champion_and_stages, reopened

from ganops import workspace as workspaces
from ganops.bootstrap import App
from ganops.errors import UserError
from ganops.layout import Layout
from ganops.stages.agreement import require_agreement
from ganops.stages.doctor import examine
from ganops.stages.promote import promote
from ganops.stages.registrar import Registrar
from ganops.stages.rollback import rollback
from ganops.stages.session import opened
from ganops.stages.standing import standing_of

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class _Hold:
    identity: str = "postgresql:7/locks"

    def require(self) -> None:
        """Nothing takes it away here."""


@contextmanager
def _lock() -> Iterator[_Hold]:
    yield _Hold()


@dataclass(frozen=True)
class Member:
    """A workspace with the lock that all of them take."""

    app: App
    registrar: Registrar

    def promote(self, version: int) -> str:
        return promote(self.app.workspace, self.registrar, version).outcome

    def recover(self) -> str | None:
        with opened(self.registrar) as session:
            return session.recovered.sentence if session.recovered else None

    def events(self) -> list[tuple[str, int]]:
        return [(entry.event, entry.version) for entry in self.app.journal.entries()]


class Stopping:
    """The registry as it is, until this process dies just after a call that `when` names."""

    def __init__(self, registry: Any, when: Callable[[str, tuple[Any, ...]], bool]) -> None:
        self._registry, self._when = registry, when

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._registry, name)
        if not callable(found):
            return found

        def asked(*arguments: Any) -> Any:
            answer = found(*arguments)
            if self._when(name, arguments):
                raise KeyboardInterrupt
            return answer

        return asked


POINTS: dict[str, Callable[[str, tuple[Any, ...]], bool]] = {
    "after the record": lambda name, arguments: name == "tag_model" and "ganops.change" in arguments[0],
    "after the first alias": lambda name, arguments: name == "point",
    "after the champion's alias": lambda name, arguments: name == "point" and arguments[0] == "champion",
    "after the stage": lambda name, arguments: name == "move",
}


@pytest.fixture
def two(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Member, Member]:
    """The owner, and a clone on another machine, of one registry."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{app.layout.state / 'mlflow' / 'mlflow.db'}")
    shutil.copytree(app.layout.root, tmp_path / "clone", ignore=shutil.ignore_patterns(".ganops"))
    clone = App(workspaces.load(Layout(tmp_path / "clone")))
    members = [Member(one, replace(one.registrar, lock=_lock)) for one in (reopened(app), clone)]
    assert members[0].recover() is None, "the owner goes first, so that the lock is known"
    return members[0], members[1]


def require_agreed(*members: Member) -> int | None:
    """Each finds nothing wrong, whoever looks; returns the champion."""
    for member in members:
        versions = member.app.registry.versions()
        assert examine(member.registrar) == []
        require_agreement(member.app.journal, versions, "generator", "", member.registrar.workspace)
    champion, stages = champion_and_stages(members[0].app)
    assert [number for number, stage in stages.items() if stage == "Production"] == [champion]
    return champion


def test_they_take_turns_and_count_tries_together(two: tuple[Member, Member]) -> None:
    one, other = two
    assert (one.promote(3), other.promote(2)) == ("kept-champion", "promoted")
    assert require_agreed(one, other) == 2
    assert one.promote(3) == "kept-champion", "against the champion that the other made"
    tries = [entry.details["attempt"] for m in two for entry in m.app.journal.entries() if "attempt" in entry.details]
    assert sorted(set(tries)) == [1, 2, 3]
    rollback(one.registrar, None, "bad hands")
    assert require_agreed(other, one) == 1
    assert rollback(other.registrar, 2, "they are fine").from_version == 1
    assert require_agreed(one, other) == 2


@pytest.mark.parametrize("point", list(POINTS))
def test_one_finishes_what_the_other_left(two: tuple[Member, Member], point: str) -> None:
    one, other = two
    dying = replace(one.registrar, registry=Stopping(one.app.registry, POINTS[point]))
    with pytest.raises(KeyboardInterrupt):
        promote(one.app.workspace, dying, 2)
    assert other.promote(3) == "kept-champion", "measured against version 2, which it made champion first"
    assert require_agreed(other) == 2
    said = reopened_member(one).recover()
    assert said is not None and one.events()[-1] == ("promoted", 2)
    assert require_agreed(one, other) == 2


def test_one_that_comes_back_late_leaves_the_registry_as_the_others_have_it(two: tuple[Member, Member]) -> None:
    one, other = two
    dying = replace(one.registrar, registry=Stopping(one.app.registry, POINTS["after the stage"]))
    with pytest.raises(KeyboardInterrupt):
        promote(one.app.workspace, dying, 2)
    rollback(other.registrar, 1, "bad hands")
    assert require_agreed(other) == 1
    said = reopened_member(one).recover()
    assert said is not None and "Another workspace had finished it" in said
    assert one.events()[-1] == ("promoted", 2) and require_agreed(one, other) == 1


def test_what_was_announced_in_the_journal_alone_is_given_up_once_another_went_on(two: tuple[Member, Member]) -> None:
    one, other = two
    dying = replace(one.registrar, registry=_BeforeRecord(one.app.registry, lambda name, arguments: False))
    with pytest.raises(KeyboardInterrupt):
        promote(one.app.workspace, dying, 2)
    assert one.events()[-1] == ("intended", 2) and standing_of(other.app.registry.versions()).champion == 1
    assert other.promote(2) == "promoted"
    rollback(other.registrar, None, "bad hands")
    said = reopened_member(one).recover()
    assert said is not None and "another workspace has changed the champion since" in said
    assert one.events()[-1] == ("undone", 2) and require_agreed(one, other) == 1


def test_another_lock_is_refused(two: tuple[Member, Member]) -> None:
    one, other = two
    for member in (one, other):
        with pytest.raises(UserError, match=r"PostgreSQL"):
            member.app.decide(2)  # under its lock in a file


class _BeforeRecord(Stopping):
    """Dies before the record is written."""

    def tag_model(self, tags: dict[str, str]) -> None:
        if "ganops.change" in tags:
            raise KeyboardInterrupt
        self._registry.tag_model(tags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)


def reopened_member(member: Member) -> Member:
    """As the next process opens it."""
    app = reopened(member.app)
    return Member(app, replace(app.registrar, lock=_lock))
