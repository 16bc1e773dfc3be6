"""promote: challenger and champion are both scored now on the test split; the gate decides; the registry follows.

Deciding is done once: the decision of a pair on a reference is stored before anything is changed, so
that a run that was killed in between carries the stored decision out instead of trying again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from ganops.evaluation.compare import FORMAT, Comparison, compare, comparison_seed
from ganops.evaluation.reference import ReferenceSample, test_reference
from ganops.evaluation.sample import BATCH_SIZE, Sample
from ganops.evaluation.sharded import Sampling
from ganops.files import digest_json
from ganops.gate import PromotionDecision, decide
from ganops.locks import locked
from ganops.ports import ModelRegistry, ModelVersion
from ganops.progress import Progress, silent
from ganops.provenance.journal import Journal
from ganops.stages.registered import registered_snapshot
from ganops.stages.sampling import sampled
from ganops.workspace import Workspace

Outcome = Literal["promoted", "kept-champion", "unchanged"]


@final
@dataclass(frozen=True)
class Promotion:
    """What came of it. decision is None where challenger and champion are one model already."""

    outcome: Outcome
    challenger: ModelVersion
    champion: ModelVersion | None
    comparison: Comparison | None
    decision: PromotionDecision | None
    sentence: str


def promote(
    workspace: Workspace,
    registry: ModelRegistry,
    journal: Journal,
    challenger: ModelVersion,
    progress: Progress = silent,
) -> Promotion:
    """Decide whether `challenger` becomes champion, and make it so if it does.

    Raises:
        IncomparableReports: the two cannot be compared; the message names the field.
        RegistryError: the registry does not answer or does not confirm.
    """
    # one promotion at a time in a workspace: MLflow's aliases are last-writer-wins
    with locked(workspace.layout.state / "promotion.lock"):
        versions = registry.versions()
        challenger = next(version for version in versions if version.version == challenger.version)
        champion = next((version for version in versions if "champion" in version.aliases), None)
        if champion is not None and champion.snapshot_sha256 == challenger.snapshot_sha256:
            _settle(registry, versions, champion)
            _complete_history(journal, champion)
            sentence = f"The best candidate is version {champion.version}, the champion already: nothing to decide."
            return Promotion("unchanged", challenger, champion, None, None, sentence)
        reference = test_reference(workspace.layout.reference)
        pair = _pair(challenger, champion, reference)
        stored = _stored(journal, pair)
        if stored is None:
            comparison = _compare(workspace, registry, challenger, champion, reference, progress)
            attempt = journal.attempts(reference.hash) + 1
            decision = decide(comparison, workspace.config.gate, attempt)
            evidence = {"comparison": comparison.to_json(), "decision": decision.to_json()}
            journal.store(pair, evidence)
        else:
            comparison, decision = stored
        return _carry_out(registry, journal, challenger, champion, comparison, decision, pair)


def _stored(journal: Journal, pair: str) -> tuple[Comparison, PromotionDecision] | None:
    """What was decided on a pair before; None too where it was by metrics of an older version, which say nothing of
    today's. `DamagedFile` where it cannot be read."""
    evidence = journal.stored(pair)
    if evidence is None or _is_older(evidence):
        return None
    try:
        return Comparison.from_json(evidence["comparison"]), PromotionDecision.from_json(evidence["decision"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise journal.damaged(pair, repr(error)) from None


def _is_older(evidence: Mapping[str, Any]) -> bool:
    comparison = evidence.get("comparison")
    return isinstance(comparison, dict) and comparison.get("format") in range(1, FORMAT) and "protocol" in comparison


def _carry_out(
    registry: ModelRegistry,
    journal: Journal,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    comparison: Comparison,
    decision: PromotionDecision,
    pair: str,
) -> Promotion:
    outcome: Literal["promoted", "kept-champion"] = "promoted" if decision.promote else "kept-champion"
    if decision.promote:
        registry.promote(challenger, champion)
    _enter(journal, outcome, challenger, comparison, decision, pair)
    registry.tag(challenger, {"ganops.decision": outcome, "ganops.reason": decision.sentence[:5000]})
    return Promotion(outcome, challenger, champion, comparison, decision, decision.sentence)


def _enter(
    journal: Journal,
    outcome: Literal["promoted", "kept-champion"],
    challenger: ModelVersion,
    comparison: Comparison,
    decision: PromotionDecision,
    pair: str,
) -> None:
    """One line a pair, however often it is asked."""
    if any(entry.details.get("pair") == pair for entry in journal.of(challenger.name)):
        return
    details = {
        "model": challenger.name,
        "pair": pair,
        "reference": comparison.protocol.reference_hash,
        "challenger": comparison.challenger,
        "champion": comparison.champion,
        "attempt": decision.attempt,
        "evidence": digest_json({"comparison": comparison.to_json(), "decision": decision.to_json()}),
    }
    journal.append(outcome, challenger.version, decision.sentence, details)


def _settle(registry: ModelRegistry, versions: Sequence[ModelVersion], champion: ModelVersion) -> None:
    """A run that was killed while the registry followed left stages and aliases that disagree."""
    others = [version for version in versions if version.version != champion.version]
    if champion.stage != "Production" or "challenger" in champion.aliases or _in_production(others):
        registry.promote(champion, None)


def _in_production(versions: Sequence[ModelVersion]) -> bool:
    return any(version.stage == "Production" for version in versions)


def _complete_history(journal: Journal, champion: ModelVersion) -> None:
    """A run that was killed after the registry had followed, and before the journal had, left a line out."""
    for pair in journal.stored_pairs():
        stored = _stored(journal, pair)
        if stored is None:
            continue
        comparison, decision = stored
        if decision.promote and decision.challenger == champion.snapshot_sha256:
            _enter(journal, "promoted", champion, comparison, decision, pair)


def _compare(
    workspace: Workspace,
    registry: ModelRegistry,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    reference: ReferenceSample,
    progress: Progress,
) -> Comparison:
    seed = comparison_seed(challenger.snapshot_sha256, champion.snapshot_sha256 if champion else None, reference.hash)
    sampling = Sampling(workspace.config.gate.num_images, seed, BATCH_SIZE)
    extractor, settings = workspace.layout.reference / "extractor", workspace.config.evaluate

    def sample(version: ModelVersion) -> Sample:
        """Images made now by the model as the registry holds it."""
        with registered_snapshot(registry, version) as (directory, snapshot):
            return sampled(directory, snapshot, extractor, reference, sampling, settings, progress)

    return compare(sample(challenger), sample(champion) if champion else None, reference, progress)


def _pair(challenger: ModelVersion, champion: ModelVersion | None, reference: ReferenceSample) -> str:
    return digest_json(
        {
            "challenger": challenger.snapshot_sha256,
            "champion": champion.snapshot_sha256 if champion else None,
            "reference": reference.hash,
        }
    )[:32]
