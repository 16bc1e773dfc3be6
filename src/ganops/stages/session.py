"""How everyone begins who changes the registry: take the lock, look whether one may, make whole what is half-done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

from ganops.ports import Hold, ModelVersion
from ganops.stages.drift import require_champion
from ganops.stages.ownership import FILE, require_allowed, require_anchored
from ganops.stages.registrar import Registrar
from ganops.stages.standing import standing_of
from ganops.stages.tags import LOCK, OWNER, Standing
from ganops.stages.transaction import Recovered, recover


@final
@dataclass(frozen=True)
class Session:
    """What was found under the lock. standing: of the registry's aliases; recovered: what had been half-done."""

    hold: Hold
    versions: Sequence[ModelVersion]
    standing: Standing
    recovered: Recovered | None


@contextmanager
def opened(registrar: Registrar, changing: bool = True, drifted: bool = False) -> Iterator[Session]:
    """Hold the promotion lock over a registry that is whole.

    changing: False looks only, and leaves what is half-done. drifted: a champion that is not the journal's is let pass.

    Raises:
        RegistryError: the registry does not answer, or names another champion than the journal.
        UserError: the model is another workspace's, or the lock is not the one that others take.
        DamagedFile: the journal was cut or is another one.
    """
    with registrar.lock() as hold:
        tags = registrar.registry.model_tags()
        require_allowed(registrar.model, tags, registrar.workspace, hold.identity)
        require_anchored(registrar.journal, tags, registrar.workspace)
        registrar.seal.require(signing=changing)
        recovered = recover(registrar) if changing else None
        if recovered is not None:
            registrar.say(recovered.sentence)
        versions = registrar.registry.versions()
        if changing and not drifted:
            require_champion(registrar, versions)
        if changing and versions:
            _make_known(registrar, tags, hold)
            registrar.catch_up(versions, alone=tags.get(LOCK, FILE) == FILE)
        yield Session(hold, versions, standing_of(versions), recovered)


def _make_known(registrar: Registrar, tags: Mapping[str, str], hold: Hold) -> None:
    """Who owns the model, which lock everyone has to take, and how long the journal is."""
    owner = tags.get(OWNER, registrar.workspace)
    if owner == registrar.workspace and (owner, hold.identity) != (tags.get(OWNER), tags.get(LOCK)):
        registrar.claim(hold.identity)
    if registrar.is_unnoted(tags):
        registrar.mark_again()
    registrar.anchor()
