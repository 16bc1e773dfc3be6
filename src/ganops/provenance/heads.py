"""A signed end of the journal: an in-toto Statement v1 on its file as it was then. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from pydantic import Field, ValidationError

from ganops.errors import DamagedFile
from ganops.files import sha256_bytes
from ganops.provenance.facts import Fact, JournalFacts, Sha256
from ganops.provenance.journal import Head
from ganops.provenance.statement import STATEMENT_TYPE
from ganops.provenance.verification import read_journal

PREDICATE_TYPE = "urn:ganops:journal-head:v1"
SUBJECT = "journal/journal.jsonl"


@final
class HeadFacts(Fact):
    """end: how many lines, and the last one's digest. sha256: of the bytes of those lines. time: when it was signed."""

    end: JournalFacts
    sha256: Sha256
    time: str = Field(max_length=100)


def head_facts(head: Head, content: bytes, time: str) -> HeadFacts:
    """What there is to say of a journal's file that ends with `head`."""
    return HeadFacts(
        end=JournalFacts(count=head.count, digest=head.digest), sha256=_sha256(content, head.count), time=time
    )


def head_statement(facts: HeadFacts) -> dict[str, Any]:
    """The statement that says `facts`, as plain JSON values."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": SUBJECT, "digest": {"sha256": facts.sha256}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {**facts.end.model_dump(mode="json"), "time": facts.time},
    }


def head_facts_of(statement: Mapping[str, Any]) -> HeadFacts:
    """What a statement says; the inverse of `head_statement`.

    Raises:
        DamagedFile: it is not of the end of a journal.
    """
    try:
        predicate, (subject,) = dict(statement["predicate"]), statement["subject"]
        time = predicate.pop("time")
        facts = HeadFacts(end=JournalFacts(**predicate), sha256=subject["digest"]["sha256"], time=time)
        whole = head_statement(facts) == statement
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError):
        whole = False
    if not whole:
        raise DamagedFile("It says nothing of the end of a journal.")
    return facts


def head_difference(facts: HeadFacts, content: bytes) -> str | None:
    """How a journal's file differs from what was signed; None where it does not, whatever comes after."""
    count, journal = facts.end.count, read_journal(content)
    if count > journal.lines:
        return f"the journal had {count} lines, and it has {journal.lines}: its end was cut off"
    digest = journal.digests[count - 1] if 0 < count <= len(journal.digests) else None
    if digest != facts.end.digest or _sha256(content, count) != facts.sha256:
        return f"the journal's first {count} lines were other ones: it was written anew"
    return None


def _sha256(content: bytes, count: int) -> str:
    return sha256_bytes(b"".join(content.splitlines(keepends=True)[:count]))
