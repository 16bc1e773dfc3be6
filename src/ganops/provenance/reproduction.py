"""What came of making a version again: which promise held. Pure: nothing is read or run here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from ganops.files import digest_json
from ganops.provenance.facts import CodeFacts, Facts, MachineFacts
from ganops.provenance.verification import differences

Promise = Literal["same-sha256", "within-interval", "none"]
"""The same bytes; else a Fréchet distance within the stated 95 % interval; else neither."""


@final
@dataclass(frozen=True)
class Reproduction:
    """differing: what stages have read of each other and is not as stated, first to last. notes: what is not as it was
    then: code, libraries, hardware. fd: the distance of the model made again; low, high: the stated interval."""

    version: int
    promise: Promise
    snapshot: str
    stated_snapshot: str
    fd: float
    low: float
    high: float
    differing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        if self.promise == "same-sha256":
            return f"Version {self.version} was made again, byte for byte: the same sha256 {self.snapshot[:16]}."
        first = f", from {self.differing[0]} on" if self.differing else ""
        where = f"{self.fd:z.2f}, where {self.low:z.2f} to {self.high:z.2f} was stated"
        if self.promise == "within-interval":
            return (
                f"Version {self.version} was made again as good as it was, though not of the same bytes{first}: its "
                f"Fréchet distance is {where}."
            )
        return (
            f"Version {self.version} could not be made again: its bytes are others{first}, and its Fréchet distance is "
            f"{where}."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "promise": self.promise,
            "sentence": self.sentence,
            "snapshot": self.snapshot,
            "stated_snapshot": self.stated_snapshot,
            "fd": self.fd,
            "low": self.low,
            "high": self.high,
            "differing": list(self.differing),
            "notes": list(self.notes),
        }


def reproduced(
    facts: Facts,
    snapshot: str,
    fd: float,
    read: Mapping[str, str],
    stated_read: Mapping[str, str],
    notes: tuple[str, ...],
) -> Reproduction:
    """Which promise held.

    snapshot: sha256 of the model made again; fd: its FD* on select. read, stated_read: what stages have
    read of each other, with the md5 that DVC has of it, in order.
    """
    low, high = stated_interval(facts)
    promise: Promise = "none"
    if snapshot == facts.model.snapshot:
        promise = "same-sha256"
    elif low <= fd <= high:
        promise = "within-interval"
    differing = tuple(name for name, md5 in read.items() if stated_read.get(name) != md5)
    return Reproduction(facts.model.version, promise, snapshot, facts.model.snapshot, fd, low, high, differing, notes)


def stated_interval(facts: Facts) -> tuple[float, float]:
    """The 95 % interval of FD* on select; empty (nan) where none was stated."""
    fd = facts.scores.metrics.get("fd_star", {})
    low, high = fd.get("low"), fd.get("high")
    if isinstance(low, int | float) and isinstance(high, int | float):
        return float(low), float(high)
    return float("nan"), float("nan")


def code_notes(stated: CodeFacts, version: str, modules: Mapping[str, str]) -> tuple[str, ...]:
    """How the installed GanOps differs from the one that was stated."""
    if digest_json(dict(modules)) == stated.sha256:
        return ()
    found = differences(stated.modules, modules)
    shown = "; ".join(found[:4]) + (f"; and {len(found) - 4} more" if len(found) > 4 else "")
    return (f"The installed GanOps ({version}) is not the one that was stated ({stated.version}): {shown}.",)


def machine_notes(stated: MachineFacts, now: MachineFacts) -> tuple[str, ...]:
    """How this machine's libraries and hardware differ from those that were stated."""
    notes = []
    libraries = _others(stated.libraries, now.libraries, "not installed")
    if libraries:
        notes.append(f"Other libraries are installed: {', '.join(libraries)}.")
    elif now.packages_sha256 != stated.packages_sha256:
        notes.append("The libraries that decide a result are the same; among the other packages some are not.")
    if hardware := _others(stated.hardware, now.hardware, "none"):
        notes.append(f"It is another machine: {', '.join(hardware)}.")
    return tuple(notes)


def _others(then: Mapping[str, str], now: Mapping[str, str], missing: str) -> list[str]:
    """What is not as it was."""
    return [f"{name} {now.get(name, missing)} (then {value})" for name, value in then.items() if now.get(name) != value]
