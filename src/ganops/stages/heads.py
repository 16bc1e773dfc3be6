"""The journal's signed end: `journal/heads/COUNT.json`, of which the newest counts and the only one is kept.

Digests can be worked out by anybody, so that a chain alone binds nobody's word. With its end signed, no line in it can
be changed, removed or moved unseen without the private key. It is signed after each command's last line; what a killed
process left unsigned, the next command signs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ganops.errors import DamagedFile
from ganops.files import read_plain, write_json
from ganops.layout import Layout
from ganops.ports import KeyRing
from ganops.provenance.heads import HeadFacts, head_difference, head_facts, head_facts_of, head_statement
from ganops.provenance.journal import Head, Journal
from ganops.stages.facts import now


@final
@dataclass(frozen=True)
class SignedHead:
    """A signed end that was read. key: it is signed with, None where it is not; verified: that key is trusted."""

    facts: HeadFacts
    key: str | None
    verified: bool
    path: Path


@final
@dataclass(frozen=True)
class JournalSeal:
    """Implements `ports.Seal`. Without a private key nothing is signed."""

    layout: Layout
    journal: Journal
    keys: KeyRing

    def require(self, signing: bool) -> None:
        newest = newest_head(self.layout)
        if newest is not None:
            signed = read_head(self.layout, self.keys, newest)
            why: str | None = "it is not signed by a key in keys/"
            if signed.verified:
                why = head_difference(signed.facts, self.journal.path.read_bytes() if self.journal.entries() else b"")
            if why is not None:
                raise DamagedFile(
                    f"{newest.relative_to(self.layout.root)}, the signed end of {self.journal.path}, does not fit: "
                    f"{why}. Restore both with `git checkout journal`, and find out who wrote to them; if a key was "
                    f"withdrawn, delete {newest.parent.relative_to(self.layout.root)}. Nothing was changed."
                )
        if signing:
            _ = self.keys.signs_as  # better said before a change than after it

    def is_behind(self) -> bool:
        newest = newest_head(self.layout)
        return newest is not None and int(newest.stem) < self.journal.head().count and self.keys.signs_as is not None

    def renew(self) -> None:
        head = self.journal.head()
        if head.count == 0 or self._is_signed(head) or self.keys.signs_as is None:
            return
        facts = head_facts(head, self.journal.path.read_bytes(), now())
        payload = json.dumps(head_statement(facts), ensure_ascii=False, separators=(",", ":")).encode()
        path = self.layout.heads / f"{head.count}.json"
        write_json(path, self.keys.sealed(payload))
        for older in _heads(self.layout):
            if older != path:
                older.unlink(missing_ok=True)

    def _is_signed(self, head: Head) -> bool:
        if (newest := newest_head(self.layout)) is None or int(newest.stem) != head.count:
            return False
        try:
            signed = read_head(self.layout, self.keys, newest)
        except DamagedFile:
            return False
        return signed.verified and signed.facts.end.digest == head.digest


def newest_head(layout: Layout) -> Path | None:
    """The signed end of the most lines; None where none is signed."""
    return max(_heads(layout), key=lambda path: int(path.stem), default=None)


def read_head(layout: Layout, keys: KeyRing, path: Path) -> SignedHead:
    """A signed end; `DamagedFile` where it is none."""
    where = path.relative_to(layout.root)
    try:
        if path.is_symlink() or not path.is_file():
            raise DamagedFile("It is no file.")
        opened = keys.opened(read_plain(path))
        facts = head_facts_of(opened.statement)
    except OSError as error:
        raise DamagedFile(
            f"{where} cannot be read ({error.strerror}). Restore it with `git checkout journal`."
        ) from None
    except DamagedFile as error:
        raise DamagedFile(
            f"{where}, the journal's signed end, cannot be read. {error} Restore it with `git checkout journal`."
        ) from None
    if facts.end.count != int(path.stem):
        raise DamagedFile(f"{where} is about {facts.end.count} lines: it was renamed.")
    return SignedHead(facts, opened.key, opened.verified, path)


def _heads(layout: Layout) -> list[Path]:
    names = layout.heads.glob("*.json")
    return [path for path in names if path.stem.isascii() and path.stem.isdecimal() and len(path.stem) < 10]
