"""The gate: from a comparison and a policy to a decision. Pure: it reads and changes nothing.

Promote only if the lower one-sided bound of (champion's FD* - challenger's) exceeds
`min_improvement`, and no guard objects. The k-th challenger tried against one reference is tested
at α·6/(π²k²); these sum to α, so the chance of *ever* promoting an equal model on that reference
stays under α. A guard is a non-inferiority test: the lower bound of the improvement must lie above
minus the margin, so that a small sample never passes by being vague. Whatever is not a finite
number means: no promotion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, final

from ganops.config import GateConfig, GuardConfig
from ganops.evaluation.comparison import Comparison
from ganops.evaluation.estimate import Measurement, number_to_json

Verdict = Literal["passed", "failed", "not_applied"]
FORMAT = 1

_NOUNS = {
    "kernel_distance": "kernel distance",
    "coverage": "coverage",
    "recall": "recall",
    "class_coverage": "class coverage",
}


@final
@dataclass(frozen=True)
class Check:
    """One test. figure: what is measured, with its standard error; bound: what was held against threshold."""

    name: str
    verdict: Verdict
    figure: float | None
    standard_error: float | None
    bound: float | None
    threshold: float | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return {name: number_to_json(item) if isinstance(item, float) else item for name, item in vars(self).items()}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Check:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        verdict = value["verdict"]
        if verdict not in ("passed", "failed", "not_applied"):
            raise ValueError(f"unknown verdict {verdict!r}")
        numbers = ("figure", "standard_error", "bound", "threshold")
        figure, error, bound, threshold = (None if value[name] is None else float(value[name]) for name in numbers)
        return Check(str(value["name"]), verdict, figure, error, bound, threshold, str(value["sentence"]))


@final
@dataclass(frozen=True)
class PromotionDecision:
    """promote: whether. sentence: why, in plain words. checks: every test, the improvement first.

    attempt: the how-manieth challenger tried against this reference. level: of the improvement's test.
    challenger, champion: snapshot digests. evidence: digest of the comparison.
    """

    promote: bool
    sentence: str
    checks: tuple[Check, ...]
    attempt: int
    level: float
    challenger: str
    champion: str | None
    evidence: str

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **vars(self), "checks": [check.to_json() for check in self.checks]}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> PromotionDecision:
        """Raises KeyError, TypeError or ValueError for anything but what `to_json` wrote."""
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, not {FORMAT}")
        champion = value["champion"]
        return PromotionDecision(
            promote=bool(value["promote"]),
            sentence=str(value["sentence"]),
            checks=tuple(Check.from_json(check) for check in value["checks"]),
            attempt=int(value["attempt"]),
            level=float(value["level"]),
            challenger=str(value["challenger"]),
            champion=str(champion) if champion is not None else None,
            evidence=str(value["evidence"]),
        )


def decide(comparison: Comparison, policy: GateConfig, attempt: int) -> PromotionDecision:
    """Whether `comparison` is reason enough to promote, under `policy`.

    attempt: k = 1, 2, … of the challengers tried against this reference, from the journal.
    """
    assert attempt >= 1, "challengers are counted from 1"
    level = level_of(policy.alpha, attempt)
    main = _absolute(comparison, policy, level) if comparison.champion is None else _improved(comparison, policy, level)
    checks = (_all_finite(comparison), main, *_guards(comparison, policy))
    failed = [check for check in checks if check.verdict == "failed"]
    return PromotionDecision(
        promote=not failed,
        sentence=_sentence(comparison, failed, main),
        checks=(main, *(check for check in checks if check is not main)),
        attempt=attempt,
        level=level,
        challenger=comparison.challenger,
        champion=comparison.champion,
        evidence=comparison.sha256,
    )


def level_of(alpha: float, attempt: int) -> float:
    """α·6/(π²k²): the share of α that the k-th attempt may spend."""
    return alpha * 6.0 / (math.pi**2 * attempt**2)


def _all_finite(comparison: Comparison) -> Check:
    broken = [name for name, measured in _figures(comparison) if not (measured.finite and measured.standard_error >= 0)]
    if broken:
        return _check("finite", False, f"Not a finite number: {', '.join(broken)}.")
    return _check("finite", True, "Every figure is a finite number.")


def _figures(comparison: Comparison) -> Iterator[tuple[str, Measurement]]:
    for name, contrast in comparison.metrics.items():
        yield f"{name} of the challenger", contrast.challenger
        if contrast.champion is not None:
            yield f"{name} of the champion", contrast.champion
        if contrast.improvement is not None:
            yield f"improvement of {name}", contrast.improvement


def _improved(comparison: Comparison, policy: GateConfig, level: float) -> Check:
    name, threshold = "fd_improvement", policy.min_improvement
    contrast = comparison.metrics.get("fd_star")
    if contrast is None or contrast.champion is None or contrast.improvement is None:
        return _check(
            name,
            False,
            "The Fréchet distances of challenger and champion were not both measured.",
            None,
            None,
            threshold,
        )
    gain = contrast.improvement
    if not _usable(gain):
        return _check(
            name, False, "The improvement of the Fréchet distance is not a usable number.", gain, None, threshold
        )
    bound = gain.value - _quantile(level) * gain.standard_error
    passed = bound > threshold
    sentence = (
        f"The improvement's lower bound at level {level:.2g} is {bound:.3g}, which "
        f"{'exceeds' if passed else 'does not exceed'} the {threshold:.3g} that is asked."
    )
    return _check(name, passed, sentence, gain, bound, threshold)


def _absolute(comparison: Comparison, policy: GateConfig, level: float) -> Check:
    name, threshold = "fd_bound", policy.first.max_fd
    contrast = comparison.metrics.get("fd_star")
    if contrast is None:
        return _check(name, False, "The challenger's Fréchet distance was not measured.", None, None, threshold)
    fd = contrast.challenger
    if not _usable(fd):
        return _check(name, False, "The challenger's Fréchet distance is not a usable number.", fd, None, threshold)
    bound = fd.value + _quantile(level) * fd.standard_error
    passed = bound <= threshold
    sentence = (
        f"Its upper bound at level {level:.2g} is {bound:.3g}, {'within' if passed else 'over'} the "
        f"{threshold:.4g} of gate.first.max_fd."
    )
    return _check(name, passed, sentence, fd, bound, threshold)


def _guards(comparison: Comparison, policy: GateConfig) -> Iterator[Check]:
    z = _quantile(policy.alpha)
    for name, noun in _NOUNS.items():
        guard: GuardConfig = getattr(policy.guards, name)
        if not guard.enabled:
            yield _not_applied(name, f"The guard on {noun} is turned off.")
        elif comparison.champion is None:
            yield _not_applied(name, f"No champion whose {noun} could be lost.")
        elif name == "class_coverage" and name not in comparison.metrics:
            yield _not_applied(name, "The images have no classes.")
        else:
            yield _not_inferior(name, noun, comparison, guard.margin, z)
    yield _honest(comparison, policy.guards.memorisation)
    yield _copies_nothing(comparison, policy.guards.memorisation, z)


def _not_inferior(name: str, noun: str, comparison: Comparison, margin: float, z: float) -> Check:
    contrast = comparison.metrics.get(name)
    if contrast is None or contrast.improvement is None or contrast.champion is None:
        return _check(name, False, f"{noun.capitalize()} was not measured: gate.guards.{name} can be turned off.")
    gain = contrast.improvement
    if not gain.finite or gain.standard_error < 0:
        return _check(
            name, False, f"{noun.capitalize()} was not measured: it is no usable number.", gain, None, -margin
        )
    bound = gain.value - z * gain.standard_error
    passed = bound > -margin
    sentence = (
        f"{noun.capitalize()} {contrast.challenger.value:.3g} against {contrast.champion.value:.3g}: at worst "
        f"{'better' if bound > 0 else 'worse'} by {abs(bound):.2g}, where less than {margin:.2g} worse is allowed."
    )
    return _check(name, passed, sentence, gain, bound, -margin)


def _honest(comparison: Comparison, guard: GuardConfig) -> Check:
    """The memorisation alarm: absolute, since a champion that copies would excuse its successor."""
    name = "memorisation"
    if not guard.enabled:
        return _not_applied(name, "The memorisation alarm is turned off.")
    contrast = comparison.metrics.get(name)
    if contrast is None:
        return _check(name, False, f"Memorisation was not measured: gate.guards.{name} can be turned off.")
    excess = contrast.challenger
    if not excess.finite or excess.standard_error < 0:
        return _check(
            name, False, "The memorisation figure is not a usable number: too few images.", excess, None, guard.margin
        )
    vague = excess.standard_error > guard.margin
    passed = excess.value <= guard.margin and not vague
    sentence = (
        f"Generated images lie nearer to a training image than to a held-out one {100 * abs(excess.value):.1f} "
        f"± {100 * excess.standard_error:.1f} percentage points {'more' if excess.value >= 0 else 'less'} often than "
        f"real images do; the alarm is at {100 * guard.margin:.3g} more"
        + (", and with so few held-out images it might not be heard." if vague else ".")
    )
    return _check(name, passed, sentence, excess, excess.value, guard.margin)


def _copies_nothing(comparison: Comparison, guard: GuardConfig, z: float) -> Check:
    """The alarm against a few exact copies, absolute too: it sounds when there are more than chance explains."""
    name = "copies"
    if not guard.enabled:
        return _not_applied(name, "The memorisation alarm is turned off.")
    contrast = comparison.metrics.get(name)
    if contrast is None:
        return _check(name, False, "Copies were not looked for: gate.guards.memorisation can be turned off.")
    excess = contrast.challenger
    if not excess.finite or excess.standard_error < 0:
        return _check(name, False, "The share of copies is not a usable number: too few images.", excess, None, 0.0)
    bound, heard = excess.value - z * excess.standard_error, z * excess.standard_error
    vague = heard > guard.margin
    passed = bound <= 0 and not vague
    more = "more" if excess.value >= 0 else "fewer"
    sentence = (
        f"{100 * abs(excess.value):.2g} ± {100 * excess.standard_error:.2g} in a hundred generated images {more} than "
        "of real ones are as near to a training image as copies are; the alarm is at more than chance explains"
        + (", and with so few held-out images it might not be heard." if vague else ".")
    )
    return _check(name, passed, sentence, excess, bound, 0.0)


def _sentence(comparison: Comparison, failed: list[Check], main: Check) -> str:
    """The outcome, what was measured, and the checks that decided it."""
    first = comparison.champion is None
    if failed:
        outcome = "Not promoted; there is still no champion." if first else "Kept champion."
        return " ".join((outcome, *_measured(comparison), *(check.sentence for check in failed)))
    closing = () if first else ("No guard objects.",)
    return " ".join(("Promoted.", *_measured(comparison), main.sentence, *closing))


def _measured(comparison: Comparison) -> Iterator[str]:
    """The Fréchet distances in words; nothing where they are no usable numbers, which a check says then."""
    contrast = comparison.metrics.get("fd_star")
    if contrast is None or not _usable(contrast.challenger):
        return
    fd = contrast.challenger
    if contrast.champion is None or contrast.improvement is None:
        yield f"There is no champion to beat. Fréchet distance {_with_error(fd)}."
        return
    gain = contrast.improvement
    if contrast.champion.finite and _usable(gain):
        relation = "better" if gain.value >= 0 else "worse"
        yield (
            f"Fréchet distance {_with_error(fd)} against the champion's {_with_error(contrast.champion)}: {relation} "
            f"by {_with_error(Measurement(abs(gain.value), gain.standard_error))}."
        )


def _with_error(measured: Measurement) -> str:
    """`2.54 ± 0.09`: the value to the digit that its standard error leaves meaningful."""
    error = measured.standard_error
    if not (error > 0 and math.isfinite(error)):
        return f"{measured.value:z.4g}"
    decimals = max(0, 1 - math.floor(math.log10(error))) if error < 10 else 0
    return f"{measured.value:z.{min(decimals, 12)}f} ± {error:.{min(decimals, 12)}f}"


def _check(
    name: str,
    passed: bool,
    sentence: str,
    measured: Measurement | None = None,
    bound: float | None = None,
    threshold: float | None = None,
) -> Check:
    figure, error = (measured.value, measured.standard_error) if measured is not None else (None, None)
    return Check(name, "passed" if passed else "failed", figure, error, bound, threshold, sentence)


def _not_applied(name: str, sentence: str) -> Check:
    return Check(name, "not_applied", None, None, None, None, sentence)


def _usable(measured: Measurement) -> bool:
    """Finite, and with an uncertainty: a standard error of zero is not certainty but a broken measurement."""
    return measured.finite and measured.standard_error > 0


def _quantile(level: float) -> float:
    """One-sided quantile z of the standard normal distribution: P(Z > z) = level, 0 < level < 1/2.

    For tiny levels `1 - level` would round to 1, so that the lower tail is asked.
    """
    return -NormalDist().inv_cdf(max(level, 1e-300))
