"""Statements of model versions as they are kept: `journal/statements/MODEL/VERSION/COUNT.json`, the last one counts.

A version's first statement is made when it is registered, another with each decision on it. The journal's line about
either holds the statement's sha256, so that a statement cannot be exchanged without the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ganops.errors import DamagedFile
from ganops.files import read_plain, sha256_bytes
from ganops.layout import Layout
from ganops.ports import KeyRing
from ganops.provenance.facts import Facts
from ganops.provenance.journal import Entry
from ganops.provenance.statement import facts_of

STATEMENT, NUMBER, KEY, SIGNATURE = "statement", "statement_number", "key", "model_signature"
"""What a line's details say: sha256 and number of the statement, id of the key it is signed with, sha256 of the
signature over the model's files."""
MODEL_SIGNATURE = "model.sig"
"""Beside a version's statements: one signature over all files of the model, which lies outside of their folder."""


@final
@dataclass(frozen=True)
class Stated:
    """A statement that was read. key: it is signed with, None where it is not; verified: with a key that is trusted."""

    facts: Facts
    key: str | None
    verified: bool
    number: int
    path: Path


def statement_path(layout: Layout, model: str, version: int, number: int) -> Path:
    """Where a version's statement of that number lies."""
    return statements_folder(layout, model, version) / f"{number}.json"


def statements_folder(layout: Layout, model: str, version: int) -> Path:
    """Where a version's statements and the signature over its files lie."""
    assert model and "/" not in model and "." not in model, "a model's name is a plain word"
    return layout.statements / model / str(int(version))


def stating(entries: Sequence[Entry], version: int) -> list[Entry]:
    """The lines about a version that name a statement of it, a statement once, oldest first."""
    first = {
        entry.details.get(NUMBER): entry
        for entry in reversed(entries)
        if entry.version == version and isinstance(entry.details.get(STATEMENT), str)
    }
    return list(reversed(first.values()))


def read_stated(layout: Layout, keys: KeyRing, model: str, entry: Entry) -> Stated:
    """The statement that a line of the journal names.

    Raises:
        DamagedFile: it is gone, is another one than the line was written for, or is none.
    """
    number = entry.details.get(NUMBER)
    if not isinstance(number, int):
        raise DamagedFile(
            f"The journal's line on version {entry.version} ({entry.event}) names no number of a statement."
        )
    path = statement_path(layout, model, entry.version, number)
    where = f"The statement {path.relative_to(layout.root)}"
    try:
        content = read_plain(path)
    except OSError as error:
        raise DamagedFile(
            f"{where} cannot be read ({error.strerror}). Restore it with `git checkout journal`, or from the artifacts "
            "of the version's MLflow run, in provenance/."
        ) from None
    if sha256_bytes(content) != entry.details[STATEMENT]:
        raise DamagedFile(
            f"{where} is not the one that the journal's line of {entry.time} ({entry.event}) was written for: it was "
            "edited or exchanged. Restore it with `git checkout journal`."
        )
    try:
        opened = keys.opened(content)
        facts = facts_of(opened.statement)
    except DamagedFile as error:
        raise DamagedFile(f"{where} cannot be read. {error}") from None
    if (facts.model.name, facts.model.version) != (model, entry.version):
        raise DamagedFile(f"{where} is about version {facts.model.version} of the model {facts.model.name}.")
    return Stated(facts, opened.key, opened.verified, number, path)
