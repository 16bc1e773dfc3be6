"""promote: challenger and champion are both scored now on the test split; the gate decides; the registry follows.

Measuring and deciding are done once: what a pair came to on a reference is stored before anything is changed, so
that a run that was killed in between carries the stored decision out instead of trying again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from ganops.evaluation.compare import compare, comparison_seed
from ganops.evaluation.comparison import FORMAT, Comparison
from ganops.evaluation.reference import ReferenceSample, test_reference
from ganops.evaluation.sample import BATCH_SIZE, Sample
from ganops.evaluation.sharded import Sampling
from ganops.files import digest_json
from ganops.gate import PromotionDecision, decide
from ganops.ports import ModelRegistry, ModelVersion
from ganops.progress import Progress, silent
from ganops.provenance.journal import Entry, Journal
from ganops.stages.drift import standing_that_holds
from ganops.stages.promotion import Outcome, Promotion
from ganops.stages.registered import registered_snapshot
from ganops.stages.registrar import Registrar
from ganops.stages.sampling import sampled
from ganops.stages.servable import require_servable
from ganops.stages.session import Session, opened
from ganops.stages.standing import settle
from ganops.stages.tags import attempt_tag, attempts_in
from ganops.stages.transaction import change_champion
from ganops.stages.versions import champion_of, version_of
from ganops.workspace import Workspace


@final
@dataclass(frozen=True)
class Pair:
    """Challenger and champion on one reference: what is measured once and decided once."""

    challenger: ModelVersion
    champion: ModelVersion | None
    reference: str

    @property
    def key(self) -> str:
        """Of the stored evidence."""
        return digest_json(
            {
                "challenger": self.challenger.snapshot_sha256,
                "champion": self.champion.snapshot_sha256 if self.champion else None,
                "reference": self.reference,
            }
        )[:32]


def promote(
    workspace: Workspace, registrar: Registrar, number: int, progress: Progress = silent, dry_run: bool = False
) -> Promotion:
    """Decide whether version `number` becomes champion, and make it so if it does.

    dry_run: decide, store nothing and change nothing.

    Raises:
        IncomparableReports: the two cannot be compared; the message names the field.
        RegistryError: the registry does not answer or does not confirm: nothing was promoted.
        UserError: the model is another workspace's.
        UnknownName: there is no such version.
    """
    with opened(registrar, changing=not dry_run) as session:
        challenger, champion = version_of(session.versions, number), champion_of(session.versions)
        if champion is not None and champion.snapshot_sha256 == challenger.snapshot_sha256:
            return _champion_already(registrar, challenger, champion, dry_run)
        reference = test_reference(workspace.layout.reference)
        pair = Pair(challenger, champion, reference.hash)
        comparison, decision = _evidence(workspace, registrar, session, pair, reference, progress, dry_run)
        promotion = _proposed(workspace, registrar.journal, pair, comparison, decision)
        return promotion if dry_run else _carried_out(registrar, session, pair, promotion)


# ---------------------------------------------------------------- evidence


def stored_decision(journal: Journal, pair: str) -> tuple[Comparison, PromotionDecision] | None:
    """What was decided on a pair before; None too where it was by metrics of an older version, which say nothing of
    today's. `DamagedFile` where it cannot be read."""
    evidence = journal.decision(pair)
    if evidence is None or _is_older(evidence.get("comparison")):
        return None
    try:
        return Comparison.from_json(evidence["comparison"]), PromotionDecision.from_json(evidence["decision"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise journal.damaged(journal.path_of("decisions", pair), repr(error)) from None


def _evidence(
    workspace: Workspace,
    registrar: Registrar,
    session: Session,
    pair: Pair,
    reference: ReferenceSample,
    progress: Progress,
    dry_run: bool,
) -> tuple[Comparison, PromotionDecision]:
    """What was measured and decided: as stored; else measured where it was not, and decided on, both once."""
    journal = registrar.journal
    stored = stored_decision(journal, pair.key)
    if stored is not None:
        return stored
    comparison = _stored_comparison(journal, pair.key)
    if comparison is None:
        comparison = _measured(workspace, registrar.registry, pair, reference, progress)
        if not dry_run:
            journal.store("comparisons", pair.key, comparison.to_json())
    attempt = _attempt(journal, session.versions, pair)
    if not dry_run and pair.champion is not None:
        # before the decision, so that nobody else spends the same share of alpha, whatever becomes of this process
        registrar.registry.tag(pair.challenger, {attempt_tag(pair.key): f"{attempt} {pair.reference}"})
    decision = decide(comparison, workspace.config.gate, attempt)
    if not dry_run:
        journal.store("decisions", pair.key, _as_evidence(comparison, decision))
    return comparison, decision


def _attempt(journal: Journal, versions: Sequence[ModelVersion], pair: Pair) -> int:
    """The pair's k: the one it was given before, here or in another workspace; else the next after all of those."""
    tried = attempts_in(versions, pair.reference)
    return tried.get(pair.key) or 1 + max(journal.attempts(pair.reference), *tried.values(), 0)


def _stored_comparison(journal: Journal, pair: str) -> Comparison | None:
    measured = journal.comparison(pair)
    if measured is None or _is_older(measured):
        return None
    try:
        return Comparison.from_json(measured)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise journal.damaged(journal.path_of("comparisons", pair), repr(error)) from None


def _is_older(comparison: object) -> bool:
    return isinstance(comparison, dict) and comparison.get("format") in range(1, FORMAT) and "protocol" in comparison


def _as_evidence(comparison: Comparison, decision: PromotionDecision) -> dict[str, Any]:
    return {"comparison": comparison.to_json(), "decision": decision.to_json()}


def _measured(
    workspace: Workspace, registry: ModelRegistry, pair: Pair, reference: ReferenceSample, progress: Progress
) -> Comparison:
    champion = pair.champion
    theirs = champion.snapshot_sha256 if champion else None
    seed = comparison_seed(pair.challenger.snapshot_sha256, theirs, reference.hash)
    sampling = Sampling(workspace.config.gate.num_images, seed, BATCH_SIZE)
    extractor, settings = workspace.layout.reference / "extractor", workspace.config.evaluate

    def sample(version: ModelVersion) -> Sample:
        """Images made now by the model as the registry holds it."""
        with registered_snapshot(registry, version) as (directory, snapshot):
            return sampled(directory, snapshot, extractor, reference, sampling, settings, progress)

    return compare(sample(pair.challenger), sample(champion) if champion else None, reference, progress)


# ---------------------------------------------------------------- what follows from it


def _champion_already(
    registrar: Registrar, challenger: ModelVersion, champion: ModelVersion, dry_run: bool
) -> Promotion:
    """Nothing to decide; a registry whose stages and aliases disagree is put right."""
    if not dry_run:
        versions = registrar.registry.versions()
        settle(registrar.registry, standing_that_holds(registrar, registrar.recorded(), versions))
    sentence = f"The best candidate is version {champion.version}, the champion already: nothing to decide."
    return Promotion("unchanged", challenger, champion, None, None, sentence)


def _proposed(
    workspace: Workspace, journal: Journal, pair: Pair, comparison: Comparison, decision: PromotionDecision
) -> Promotion:
    """What the decision leads to, under the policy and what people have said of the version."""
    outcome: Outcome = "promoted" if decision.promote else "kept-champion"
    sentence = decision.sentence
    if decision.promote:
        refused = refusal_of(journal, pair.challenger)
        if refused is not None and refused.event == "rejected":
            outcome = "kept-champion"
            sentence = f"Kept champion. {_refused(refused, pair.challenger)} {sentence}"
        elif refused is not None or workspace.config.gate.policy == "manual":
            outcome = "pending"
            why = f"{_refused(refused, pair.challenger)} " if refused else ""
            sentence = (
                f"Waiting for a person: `ganops approve {pair.challenger.version} --by NAME --reason …`, or `ganops "
                f"reject`. {why}The gate would promote it. {sentence.removeprefix('Promoted. ')}"
            )
    return Promotion(outcome, pair.challenger, pair.champion, comparison, decision, sentence)


def _refused(refusal: Entry, version: ModelVersion) -> str:
    what = "rejected" if refusal.event == "rejected" else "taken out of production"
    return (
        f"Version {version.version} was {what} on {refusal.time} by {refusal.details.get('by', refusal.actor)} "
        f"({refusal.reason.rstrip('.')}), so that only a person can promote it, with `ganops approve`."
    )


def refusal_of(journal: Journal, version: ModelVersion) -> Entry | None:
    """The line by which a person took that very model out of production, or refused it, if none approved it later."""
    last: Entry | None = None
    for entry in journal.of(version.name):
        if entry.event == "rolled-back" and entry.details.get("from_snapshot") == version.snapshot_sha256:
            last = entry
        elif entry.version == version.version and entry.event in ("rejected", "approved"):
            last = entry if entry.event == "rejected" else None
    return last


def _carried_out(registrar: Registrar, session: Session, pair: Pair, promotion: Promotion) -> Promotion:
    assert promotion.comparison is not None and promotion.decision is not None, "it was decided"
    details = {
        "model": registrar.model,
        "pair": pair.key,
        "reference": pair.reference,
        "challenger": promotion.comparison.challenger,
        "champion": promotion.comparison.champion,
        "attempt": promotion.decision.attempt,
        "gate": "promote" if promotion.decision.promote else "keep",
        "evidence": digest_json(_as_evidence(promotion.comparison, promotion.decision)),
    }
    challenger, champion = pair.challenger, pair.champion.version if pair.champion else None
    if promotion.outcome == "promoted":
        registrar.verify(challenger)
        require_servable(registrar.registry, challenger)
        details |= registrar.notary.decided(challenger, promotion.outcome, pair.key)
        session.hold.require()
        previous = champion if champion is not None else session.standing.previous
        change_champion(registrar, "promoted", challenger, previous, promotion.sentence, details)
    elif not _entered(registrar.journal, pair, promotion.outcome):
        event: Literal["pending", "kept-champion"] = "pending" if promotion.outcome == "pending" else "kept-champion"
        details |= registrar.notary.decided(challenger, promotion.outcome, pair.key)
        moves = {"from": champion, "to": challenger.version if event == "pending" else champion}
        entry = registrar.journal.append(event, challenger.version, promotion.sentence, {**details, **moves})
        registrar.conclude(entry, [challenger])
    return promotion


def _entered(journal: Journal, pair: Pair, outcome: Outcome) -> bool:
    """Whether the last line on the pair says that already: one line, however often it is asked."""
    lines = [
        entry.event
        for entry in journal.of(pair.challenger.name)
        if entry.details.get("pair") == pair.key and entry.event != "intended"
    ]
    return lines[-1:] == [outcome] or (outcome == "kept-champion" and lines[-1:] == ["rejected"])
