"""calibrate: how often the gate is wrong on this workspace's own data: A/A and A/B tests on simulated generators.

Every contest is drawn anew, reference included, from a population like the `select` features, in which all true
distances are known, and decided by `gate.decide` under the workspace's policy, as the first challenger of a reference.
`test`, which only the gate reads, lends its size and nothing else.

A guard can only veto: whatever the guards do, the whole decision promotes at most as often as the Fréchet test alone.
So that test is repeated often, and bounds the false promotions; decisions with every guard measured, a hundred times
dearer, are repeated a few times beside it, to see the guards at work.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import final

import numpy as np

from ganops.errors import TooFewImages, UserError
from ganops.evaluation.calibration import Contest, Entrant, Pair, World, protocol_of, whole_comparisons
from ganops.evaluation.population import Kind, Population
from ganops.evaluation.reference import ReferenceSample, held_out_count, select_reference
from ganops.gate import PromotionDecision, decide, level_of
from ganops.progress import Progress, silent
from ganops.stages.calibration import POWER, Calibration, Needed, Power, Rate, Whole
from ganops.stages.evaluated import read_report
from ganops.stages.trial import Trial, working
from ganops.workspace import Workspace

IMPROVEMENTS = (0.02, 0.05, 0.1, 0.2)
"""Shares of the champion's distance that a better generator is better by."""
_NULLS_FOR_EACH_BETTER = 5
"""Repeats of the nulls for each one of the better generators: a power needs no such narrow interval."""
_USUAL_SHARE, _LEAST_SHARE, _LARGEST_SHARE = 0.05, 0.002, 0.5
"""Of the total variance, the champion's distance: where nothing has been evaluated, and the bounds elsewhere."""
_LARGEST_SIMULATED = 60_000
"""Images on a side."""
_PILOTS, _ROUNDS, _CHECKS = 10, 2, 200
_BETTER, _PILOT, _CHECK = 1, 2, 3
"""Streams of draws, beside that of the nulls."""


@final
@dataclass(frozen=True)
class CalibrationPlan:
    """repeats: of the Fréchet test, on each null. whole: of decisions with everything measured.

    num_images: of either generator; None: the gate's. distance: the simulated champion's true Fréchet distance; None:
    that of the best candidate. workers: processes, one thread each; the result is the same.
    """

    repeats: int = 2000
    seed: int = 0
    num_images: int | None = None
    distance: float | None = None
    whole: int = 20
    workers: int = 1


def calibrate(workspace: Workspace, plan: CalibrationPlan, progress: Progress = silent) -> Calibration:
    """Try the gate of `workspace` on generators of known distance.

    Raises:
        UserError: there is no reference yet, fewer images are asked for than a covariance needs, or a distance that
            no simulated generator has.
        TooFewImages: the reference is too small for its features.
    """
    reference = select_reference(workspace.layout.reference)
    with working(plan.workers) as workers:
        trial = _trial(workspace, plan, reference, workers)
        share = trial.distance / trial.population.total_variance
        nulls, better = _nulls(share), _better(share)
        told = _noted(progress, "the Fréchet test on equals")
        of_nulls = trial.contests(nulls, range(plan.repeats), told)
        told = _noted(progress, "the Fréchet test on better ones")
        some = range(-(-plan.repeats // _NULLS_FOR_EACH_BETTER))
        of_better = trial.contests(better, some, told, stream=_BETTER)
        return Calibration(
            score=trial.protocol.score,
            dimensions=trial.population.dimensions,
            num_images=trial.num_images,
            num_reference=trial.num_reference,
            distance=trial.distance,
            distance_from=trial.distance_from,
            total_variance=trial.population.total_variance,
            level=level_of(trial.policy.alpha, 1),
            min_improvement=trial.policy.min_improvement,
            seed=plan.seed,
            nulls=tuple(_rate(pair, of, trial.promotes) for pair, of in zip(nulls, of_nulls, strict=True)),
            naive=tuple(_naive(trial, nulls, of_nulls)),
            power=tuple(_power(trial, better, of_better, progress)),
            whole=_whole(trial, reference, [nulls[0], nulls[2], better[-1]], plan.whole, progress),
        )


# ---------------------------------------------------------------- who meets whom


def _nulls(share: float) -> list[Pair]:
    """Pairs of equal true distance: whoever is promoted, it is for nothing."""
    narrower, shifted, wider = Kind.narrower(share), Kind.shifted(share), Kind.wider(share)
    perfect = Kind("perfect")
    return [
        Pair("one generator, drawn twice", Entrant(narrower, 0), Entrant(narrower, 1)),
        Pair("two perfect generators", Entrant(perfect, 0), Entrant(perfect, 1)),
        Pair("narrower against shifted", Entrant(narrower, 0), Entrant(shifted, 1)),
        Pair("shifted against narrower", Entrant(shifted, 1), Entrant(narrower, 0)),
        Pair("narrower against wider", Entrant(narrower, 0), Entrant(wider, 1)),
        Pair("wider against narrower", Entrant(wider, 1), Entrant(narrower, 0)),
    ]


def _better(share: float) -> list[Pair]:
    champion = Entrant(Kind.mixed(share), 1)
    return [
        Pair(f"{100 * gain:g} % better", Entrant(Kind.mixed(share * (1 - gain)), 0), champion) for gain in IMPROVEMENTS
    ]


def _trial(workspace: Workspace, plan: CalibrationPlan, reference: ReferenceSample, workers: Executor | None) -> Trial:
    population = Population.like(reference.features)
    num_images = plan.num_images or workspace.config.gate.num_images
    num_reference = held_out_count(workspace.layout.reference, "test")
    distance, distance_from = _champions_distance(workspace, plan, population.total_variance)
    protocol = protocol_of(reference, num_images, num_reference, plan.seed)
    policy = workspace.config.gate
    trial = Trial(population, policy, protocol, num_images, num_reference, distance, distance_from, plan.seed, workers)
    if num_images < trial.least:
        raise UserError(
            f"{num_images} images are too few for {population.dimensions} features: at least {trial.least} are "
            "needed, as --num-images, or gate.num_images in params.yaml."
        )
    if num_reference < trial.least:
        raise TooFewImages(
            f"The reference has {num_reference} images of {population.dimensions} features, and at least "
            f"{trial.least} are needed. Add images with `ganops data add`."
        )
    return trial


def _champions_distance(workspace: Workspace, plan: CalibrationPlan, total_variance: float) -> tuple[float, str]:
    """What is asked for; else as far as this workspace's best candidate is, so that the contests resemble its own."""
    low, high = _LEAST_SHARE * total_variance, _LARGEST_SHARE * total_variance
    if plan.distance is not None:
        if not low <= plan.distance <= high:
            raise UserError(
                f"--distance {plan.distance:g} cannot be simulated: of these features, whose total variance is "
                f"{total_variance:.4g}, it has to be from {low:.3g} to {high:.3g}."
            )
        return plan.distance, "as asked"
    reports = [read_report(workspace.layout, name) for name in workspace.config.candidates]
    known = [(report.fd_star.value, report.candidate) for report in reports if report is not None]
    if not known:
        return _USUAL_SHARE * total_variance, f"{_USUAL_SHARE:.0%} of the features' variance: nothing is evaluated yet"
    distance, candidate = min(known)
    return min(max(distance, low), high), f"that of the best candidate, {candidate}"


# ---------------------------------------------------------------- what came of it


def _noted(progress: Progress, note: str) -> Progress:
    return lambda done, total, _: progress(done, total, note)


def _rate(pair: Pair, found: Sequence[Contest], promotes: Callable[[Contest], bool]) -> Rate:
    return Rate(pair.name, sum(map(promotes, found)), len(found))


def _naive(trial: Trial, pairs: Sequence[Pair], found: Sequence[Sequence[Contest]]) -> Iterator[tuple[str, Rate]]:
    rules = {"lower is better": _is_lower, "plain FD test": trial.plain_promotes}
    for rule, promotes in rules.items():
        for pair, of in zip(pairs, found, strict=True):
            yield rule, _rate(pair, of, promotes)


def _is_lower(contest: Contest) -> bool:
    return contest.plain.improvement is not None and contest.plain.improvement.value > 0


def _power(
    trial: Trial, pairs: Sequence[Pair], found: Sequence[Sequence[Contest]], progress: Progress
) -> Iterator[Power]:
    for gain, pair, of in zip(IMPROVEMENTS, pairs, found, strict=True):
        margin = gain * trial.distance - trial.policy.min_improvement
        yield Power(gain, _rate(pair, of, trial.promotes), _needed(trial, margin, pair, of, progress))


def _needed(trial: Trial, margin: float, pair: Pair, found: Sequence[Contest], progress: Progress) -> Needed:
    """SE² = g/n + r/m has to come down to (margin / (z_level + z_power))².

    With few references r itself comes out too large, so that g and r are measured again at the counts that follow
    from them, and the counts corrected.
    """
    if margin <= 0:
        return Needed(None, None, None)
    z = -NormalDist().inv_cdf(level_of(trial.policy.alpha, 1)) + NormalDist().inv_cdf(POWER)
    allowed = (margin / z) ** 2
    today = counts = trial.num_images, trial.num_reference
    generated, reference = _variances(found)
    alone = _rounded(trial, today[0] * generated / (allowed - reference)) if allowed > reference else None
    for number in range(_ROUNDS):
        factor = (generated + reference) / allowed
        shrunk = min(1.0, _LARGEST_SIMULATED / (factor * max(counts)))
        counts = _grown(trial, counts, factor * shrunk)
        told = _noted(progress, f"{pair.name}: {counts[0]} images against {counts[1]}")
        again = range(number * _PILOTS, (number + 1) * _PILOTS)
        generated, reference = _variances(trial.contests([pair], again, told, counts, _PILOT)[0])
    both = _grown(trial, counts, (generated + reference) / allowed)
    if max(both) > _LARGEST_SIMULATED:
        return Needed(alone, both, None)
    told = _noted(progress, f"{pair.name}: {both[0]} images against {both[1]}")
    checks = trial.contests([pair], range(min(_CHECKS, len(found))), told, both, _CHECK)[0]
    return Needed(alone, both, _rate(pair, checks, trial.promotes))


def _variances(found: Sequence[Contest]) -> tuple[float, float]:
    """The parts of the squared standard error, (generated, reference)."""
    return (
        float(np.mean([contest.from_generated for contest in found])),
        float(np.mean([contest.from_reference for contest in found])),
    )


def _grown(trial: Trial, counts: tuple[int, int], factor: float) -> tuple[int, int]:
    return _rounded(trial, factor * counts[0]), _rounded(trial, factor * counts[1])


def _rounded(trial: Trial, count: float) -> int:
    return max(trial.least, math.ceil(count))


# ---------------------------------------------------------------- with every guard


def _whole(
    trial: Trial, reference: ReferenceSample, pairs: Sequence[Pair], repeats: int, progress: Progress
) -> tuple[Whole, ...]:
    if repeats == 0:
        return ()
    world = World.like(reference)
    work = [
        partial(whole_comparisons, world, pairs, trial.num_images, trial.num_reference, trial.seed, repeat)
        for repeat in range(repeats)
    ]
    decisions: list[list[PromotionDecision]] = [[] for _ in pairs]
    for done, row in enumerate(trial.side_by_side(work), start=1):
        progress(done, repeats, "whole decisions, every guard measured")
        for of_pair, comparison in zip(decisions, row, strict=True):
            of_pair.append(decide(comparison, trial.policy, 1))
    return tuple(_judged(pair, of) for pair, of in zip(pairs, decisions, strict=True))


def _judged(pair: Pair, decisions: Sequence[PromotionDecision]) -> Whole:
    failed = [[check.name for check in decision.checks if check.verdict == "failed"] for decision in decisions]
    vetoes = Counter(name for names in failed for name in names if name != "fd_improvement")
    promoted = Rate(pair.name, sum(decision.promote for decision in decisions), len(decisions))
    return Whole(promoted, sum("fd_improvement" not in names for names in failed), dict(sorted(vetoes.items())))
