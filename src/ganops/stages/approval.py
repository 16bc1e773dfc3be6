"""A person's word on a challenger: approve and reject. Bound to the evidence that the person was shown."""

from __future__ import annotations

from ganops.errors import UserError
from ganops.files import digest_json
from ganops.ports import ModelVersion
from ganops.provenance.journal import Entry, Journal
from ganops.stages.promote import refusal_of
from ganops.stages.registrar import Registrar
from ganops.stages.servable import require_servable
from ganops.stages.session import opened
from ganops.stages.standing import settle
from ganops.stages.transaction import change_champion
from ganops.stages.versions import named, version_of


def approve(registrar: Registrar, number: int, by: str, reason: str) -> Entry:
    """Promote a version that waits for a person; returns the journal's last line of it.

    Raises:
        UserError: nothing waits under that number; the champion is another one than the evidence is about.
        DamagedFile: the evidence is not what was decided on.
        RegistryError: the registry does not answer or does not confirm.
    """
    with opened(registrar) as session:
        version, now = version_of(session.versions, number), session.standing
        if number == now.champion:
            raise UserError(f"Version {number} is the champion already: there is nothing to approve.")
        asked = _waiting(registrar.journal, version)
        if asked.details["from"] != now.champion:
            raise UserError(
                f"The champion is {named(now.champion)} now, and what was measured of version {number} is against "
                f"{named(asked.details['from'])}: the approval would rest on nothing. Run `ganops promote {number}` "
                "to measure it against the champion of today."
            )
        _require_evidence(registrar.journal, asked)
        registrar.verify(version)
        require_servable(registrar.registry, version)
        session.hold.require()
        word = {**asked.details, "by": by, "asked": asked.digest}
        approved = registrar.journal.append("approved", number, reason, word)
        previous = now.champion if now.champion is not None else now.previous
        return change_champion(registrar, "promoted", version, previous, reason, {**word, "approved": approved.digest})


def reject(registrar: Registrar, number: int, by: str, reason: str) -> Entry:
    """Refuse a version that waits for a person: it is not promoted by any later run either.

    Raises:
        UserError: nothing waits under that number.
        RegistryError: the registry does not answer or does not confirm.
    """
    with opened(registrar) as session:
        version = version_of(session.versions, number)
        if number == session.standing.champion:
            raise UserError(
                f"Version {number} is the champion already, and waits for nobody's word: `ganops rollback` takes it "
                "out of production."
            )
        asked = _waiting(registrar.journal, version)
        kept = {"by": by, "asked": asked.digest, "to": asked.details["from"]}
        entry = registrar.journal.append("rejected", number, reason, {**asked.details, **kept})
        settle(registrar.registry, session.standing.without_challenger(number))
        registrar.conclude(entry, [version])
        return entry


def _waiting(journal: Journal, version: ModelVersion) -> Entry:
    """The last line that asks for a person's word on `version`, which the gate would promote.

    One that was answered by a promotion asks no more, unless the version was taken out of production since; one that a
    person rejected may be approved still.
    """
    entries = [entry for entry in journal.of(version.name) if entry.version == version.version]
    answered = {entry.details.get("asked") for entry in entries if entry.event == "promoted"}
    decided = [entry for entry in entries if entry.event in ("pending", "kept-champion")]
    if decided and decided[-1].details.get("gate") == "promote":
        if decided[-1].digest not in answered or refusal_of(journal, version) is not None:
            return decided[-1]
    elif decided:
        raise UserError(
            f"The gate keeps the champion, and nobody's word overrules it: version {version.version} was decided on at "
            f"{decided[-1].time} ({decided[-1].reason})"
        )
    raise UserError(
        f"Version {version.version} waits for nobody's word. `ganops history` shows what was decided, and `ganops "
        f"promote {version.version}` asks the gate; with `gate.policy: manual` in params.yaml a person has the last "
        "word."
    )


def _require_evidence(journal: Journal, asked: Entry) -> None:
    evidence = journal.decision(str(asked.details["pair"]))
    if evidence is None or digest_json(evidence) != asked.evidence:
        raise journal.damaged(
            journal.path_of("decisions", str(asked.details["pair"])), "it is not what the journal was written for"
        )
