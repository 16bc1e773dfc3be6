"""A person's word on a challenger: approve and reject. Bound to the evidence that the person was shown."""

from __future__ import annotations

from ganops.errors import UserError
from ganops.files import digest_json
from ganops.ports import ModelRegistry, ModelVersion, PromotionLock
from ganops.provenance.journal import Entry, Journal
from ganops.stages.promote import refusal_of
from ganops.stages.servable import require_servable
from ganops.stages.transaction import change_champion, recover, settle, standing_of
from ganops.stages.versions import version_of


def approve(registry: ModelRegistry, journal: Journal, lock: PromotionLock, number: int, by: str, reason: str) -> Entry:
    """Promote a version that waits for a person, or that one took out of production; returns the journal's last line.

    Raises:
        UserError: nothing waits under that number; the champion is another one than the evidence is about; the
            evidence is not what was decided on.
        RegistryError: the registry does not answer or does not confirm.
    """
    with lock():
        recover(registry, journal, registry.name)
        versions = registry.versions()
        version, now = version_of(versions, number), standing_of(versions)
        asked = _waiting(journal, version)
        if asked.details["from"] != now.champion:
            raise UserError(
                f"The champion is {_named(now.champion)} now, and what was measured of version {number} is against "
                f"{_named(asked.details['from'])}: the approval would rest on nothing. Run `ganops promote {number}` to "
                "measure it against the champion of today."
            )
        _require_evidence(journal, asked)
        require_servable(registry, version)
        approved = journal.append("approved", number, reason, {**asked.details, "by": by, "asked": asked.digest})
        return change_champion(
            registry, journal, "promoted", version, versions, reason, {**asked.details, "approved": approved.digest}
        )


def reject(registry: ModelRegistry, journal: Journal, lock: PromotionLock, number: int, by: str, reason: str) -> Entry:
    """Refuse a version that waits for a person: it is not promoted by any later run either.

    Raises:
        UserError: nothing waits under that number.
        RegistryError: the registry does not answer or does not confirm.
    """
    with lock():
        recover(registry, journal, registry.name)
        versions = registry.versions()
        version = version_of(versions, number)
        asked = _waiting(journal, version)
        entry = journal.append("rejected", number, reason, {**asked.details, "by": by, "asked": asked.digest})
        settle(registry, standing_of(versions).without_challenger(number))
        registry.tag(version, {"ganops.decision": "rejected", "ganops.reason": reason[:5000]})
        return entry


def _waiting(journal: Journal, version: ModelVersion) -> Entry:
    """The line that asks for a person's word: `pending`, or the decision on a version that a person had refused."""
    entries = journal.of(version.name)
    answered = {entry.details.get("asked") for entry in entries if entry.event in ("approved", "rejected", "promoted")}
    asking = ("pending", "kept-champion") if refusal_of(journal, version) else ("pending",)
    for entry in reversed(entries):
        if entry.version == version.version and entry.event in asking:
            if entry.event == "pending" and entry.digest in answered:
                break
            return entry
    raise UserError(
        f"Version {version.version} waits for nobody's word. `ganops history` shows what was decided; `gate.policy: "
        "manual` in params.yaml lets a person decide, and `ganops promote` asks the gate."
    )


def _require_evidence(journal: Journal, asked: Entry) -> None:
    evidence = journal.decision(str(asked.details["pair"]))
    if evidence is None or digest_json(evidence) != asked.details["evidence"]:
        raise journal.damaged(
            journal.path_of("decisions", str(asked.details["pair"])), "it is not what the journal was written for"
        )


def _named(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
