"""Where a version comes from, as a graph to be drawn: from images and code to the gate's word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from ganops.data.split import SPLITS
from ganops.provenance.facts import DecisionFacts, Facts

Tone = Literal["plain", "good", "held", "bad"]
_WORDS: Mapping[str, Tone] = {"approved": "good", "rejected": "bad"}
_SHORT = 10
"""Characters of a digest that tell it from others."""


@final
@dataclass(frozen=True)
class Node:
    """A thing that a version came of. column, row: its place, from 0; lines: what is known of it, main thing first."""

    title: str
    lines: tuple[str, ...]
    column: int
    row: int
    tone: Tone = "plain"


@final
@dataclass(frozen=True)
class Lineage:
    """nodes by name; edges from one to another."""

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]

    @property
    def sentence(self) -> str:
        """The drawing in words, for who cannot see it."""
        said = (f"{self.nodes[before].title} leads to {self.nodes[after].title}" for before, after in self.edges)
        return "; ".join(said) + "."


@final
@dataclass(frozen=True)
class Word:
    """What a person said of a version that waited for one. promoted: an approval that was carried out."""

    event: Literal["approved", "rejected"]
    by: str
    reason: str
    time: str
    promoted: bool = False


def lineage_of(facts: Facts, champion: int | None, word: Word | None) -> Lineage:
    """The graph of a version. champion: the version that it was held against; None where there was none.

    word: a person's, where one was asked.
    """
    model, data, code, decision = facts.model, facts.data, facts.code, facts.decision
    nodes = {
        "images": Node(
            "Images", (f"{data.accepted + data.refused:,} in data/raw", f"sha256 {data.sha256[:_SHORT]}"), 0, 1
        ),
        "code": Node("Code", (f"GanOps {code.version}, {code.sha256[:8]}", _commit(facts)), 0, 2),
        "splits": Node(
            "Validated and split",
            (f"{data.accepted:,} accepted, {data.refused:,} refused", _counts(data.counts)),
            1,
            1,
            "plain" if data.valid else "bad",
        ),
        "extractor": Node("Extractor", _extractor(facts.scores.extractor), 2, 0),
        "training": Node(f"Training: {model.candidate}", _training(facts), 2, 1),
        "version": Node(f"Version {model.version}", (_score(facts), f"sha256 {model.snapshot[:_SHORT]}"), 3, 1),
        "gate": Node("Gate", *_gate(decision, word)),
    }
    edges = [
        ("images", "splits"),
        ("splits", "extractor"),
        ("splits", "training"),
        ("code", "training"),
        ("training", "version"),
        ("extractor", "gate"),
        ("version", "gate"),
    ]
    if champion is not None:
        nodes["champion"] = Node("Champion of then", (f"version {champion}", _against(decision)), 3, 2)
        edges.append(("champion", "gate"))
    if word is not None:
        nodes["person"] = Node("A person", (word.event, f"by {word.by}"), 4, 2, _WORDS[word.event])
        edges.append(("gate", "person"))
    return Lineage(nodes, tuple(edges))


def _commit(facts: Facts) -> str:
    if facts.code.commit is None:
        return "no commit"
    return f"commit {facts.code.commit[:8]}{' + changes' if facts.code.uncommitted else ''}"


def _counts(counts: Mapping[str, int]) -> str:
    """Train, select, test."""
    return " / ".join(f"{counts[name]:,}" for name in SPLITS if name in counts) + " images"


def _extractor(extractor: Mapping[str, Any]) -> tuple[str, ...]:
    sha, accuracy = str(extractor.get("sha256", "")), extractor.get("accuracy")
    named = f"{extractor.get('kind', 'unknown')}@{sha[:8]}"
    return (named, f"{accuracy:.1%} right on held-out") if isinstance(accuracy, float) else (named,)


def _training(facts: Facts) -> tuple[str, ...]:
    seen, candidate = facts.model.info.get("images_seen"), facts.model.info.get("candidate")
    family = candidate.get("family") if isinstance(candidate, dict) else None
    shown = f"{seen:,} images shown" if isinstance(seen, int) else "images shown: unknown"
    return (shown, f"{family or 'unknown family'}, seed {facts.seeds.get('training', 'unknown')}")


def _score(facts: Facts) -> str:
    value = facts.scores.metrics.get("fd_star", {}).get("value")
    return f"FD* {value:z.2f} on select" if isinstance(value, int | float) else "FD* not measured"


def _gate(decision: DecisionFacts | None, word: Word | None) -> tuple[tuple[str, ...], int, int, Tone]:
    if decision is None:
        return ("not asked yet",), 4, 1, "plain"
    said: Mapping[str, tuple[str, Tone]] = {
        "promoted": ("promoted", "good"),
        "kept-champion": ("kept the champion", "held"),
        "pending": ("waits for a person", "held") if word is None else ("would promote it", "good"),
    }
    words, tone = said[decision.outcome]
    checks = decision.decision.get("checks")
    verdicts = [check.get("verdict") for check in checks if isinstance(check, dict)] if isinstance(checks, list) else []
    return (words, f"{verdicts.count('passed')} checks passed, {verdicts.count('failed')} failed"), 4, 1, tone


def _against(decision: DecisionFacts | None) -> str:
    metrics = decision.comparison.get("metrics") if decision else None
    fd = metrics.get("fd_star") if isinstance(metrics, dict) else None
    champion = fd.get("champion") if isinstance(fd, dict) else None
    value = champion.get("value") if isinstance(champion, dict) else None
    return f"FD* {value:z.2f} on test" if isinstance(value, int | float) else "FD* not measured"
