"""Whether the journal says of the gate's decisions on a version what its statements say, which may be signed."""

from __future__ import annotations

from collections.abc import Iterator

from ganops.files import digest_json
from ganops.provenance.facts import Facts
from ganops.provenance.journal import Entry
from ganops.provenance.verification import Finding
from ganops.stages.sources import Sources
from ganops.stages.statements import NUMBER, STATEMENT, stating

_DECIDED = ("promoted", "pending", "kept-champion")


def decided_as_stated(sources: Sources, version: int) -> Iterator[Finding]:
    """A line that tells what the gate said names the statement that says so, and says nothing else."""
    statements = {stated.number: stated for stated in sources.statements(version)}
    named = {line.details.get(NUMBER): line.details[STATEMENT] for line in stating(sources.entries, version)}
    for entry in sources.entries:
        if entry.version != version or entry.event not in _DECIDED:
            continue
        written = entry.details.get(NUMBER)
        number = written if isinstance(written, int) else None
        if number in named and number not in statements:  # it cannot be read, which is found already
            continue
        same = number in named and entry.details.get(STATEMENT) == named[number]
        if number is None or not same or not _is_stated(entry, statements[number].facts):
            yield Finding(
                "decision",
                version,
                f"The journal's line of {entry.time} ({entry.event}, version {version}) says something else of the "
                "gate's decision than the statement that goes with it.",
            )


def _is_stated(entry: Entry, facts: Facts) -> bool:
    """Whether a line says of the gate what its statement says."""
    if (decision := facts.decision) is None:
        return False
    try:
        evidence = digest_json({"comparison": dict(decision.comparison), "decision": dict(decision.decision)})
    except ValueError:  # what is no number in JSON
        return False
    gate = "promote" if decision.decision.get("promote") is True else "keep"
    said = (entry.details.get("pair"), entry.details.get("evidence"), entry.details.get("gate"))
    by_a_person = entry.event == "promoted" and "approved" in entry.details
    return said == (decision.pair, evidence, gate) and (by_a_person or entry.event == decision.outcome)
