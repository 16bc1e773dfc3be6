"""What a run came to, as one value: for the terminal, for `--json`, for Prefect's pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ganops.reports.words import words


@final
@dataclass(frozen=True)
class CandidateRow:
    """One candidate. fd: FD* on `select` with its 95 % interval; None where it failed.

    remarks: what its training had to say: why it was stopped, what was passed over, what to set otherwise.
    """

    name: str
    family: str
    fd: float | None
    low: float | None
    high: float | None
    metrics: Mapping[str, float]
    failure: str | None = None
    remarks: tuple[str, ...] = ()

    def interval(self) -> str:
        """The interval for a person."""
        return "-" if self.low is None or self.high is None else f"{self.low:z.2f} to {self.high:z.2f}"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "family": self.family,
            "fd": self.fd,
            "low": self.low,
            "high": self.high,
            "metrics": dict(self.metrics),
            "failure": self.failure,
            "remarks": list(self.remarks),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> CandidateRow:
        """What `to_json` wrote."""
        return CandidateRow(**{**value, "remarks": tuple(value["remarks"])})


@final
@dataclass(frozen=True)
class RunSummary:
    """A run's outcome.

    changed: something was stale, so stages ran.
    decision: `promoted`, `kept-champion`, `pending` (a person decides) or `unchanged` (the best candidate is the
    champion already).
    """

    changed: bool
    score: str
    candidates: tuple[CandidateRow, ...]
    decision: str
    sentence: str
    checks: tuple[Mapping[str, Any], ...]
    model: str
    version: int
    stage: str
    aliases: tuple[str, ...]
    champion: int | None
    page: Path
    grids: Mapping[str, Path]

    def to_json(self) -> dict[str, Any]:
        """Schema in docs/cli.md."""
        return {
            "changed": self.changed,
            "score": self.score,
            "candidates": [row.to_json() for row in self.candidates],
            "decision": self.decision,
            "reason": self.sentence,
            "checks": [dict(check) for check in self.checks],
            "model": self.model,
            "version": self.version,
            "stage": self.stage,
            "aliases": list(self.aliases),
            "champion": self.champion,
            "report": str(self.page),
            "grids": {name: str(path) for name, path in self.grids.items()},
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RunSummary:
        """What `to_json` wrote."""
        return RunSummary(
            changed=bool(value["changed"]),
            score=str(value["score"]),
            candidates=tuple(CandidateRow.from_json(row) for row in value["candidates"]),
            decision=str(value["decision"]),
            sentence=str(value["reason"]),
            checks=tuple(value["checks"]),
            model=str(value["model"]),
            version=int(value["version"]),
            stage=str(value["stage"]),
            aliases=tuple(value["aliases"]),
            champion=value["champion"],
            page=Path(value["report"]),
            grids={name: Path(path) for name, path in value["grids"].items()},
        )

    def remarks(self) -> list[tuple[str, str]]:
        """(candidate, why it failed or what its training had to say) of all where there is something to say."""
        return [
            (row.name, remark)
            for row in self.candidates
            for remark in (*([row.failure] if row.failure else []), *row.remarks)
        ]

    def table(self) -> list[dict[str, str]]:
        """Rows for a plain table, best first."""
        return [
            {
                "candidate": row.name,
                "family": row.family,
                "FD*": "failed" if row.fd is None else f"{row.fd:z.2f}",
                "95 % interval": row.interval(),
                **{words(name).lower(): f"{value:z.3g}" for name, value in row.metrics.items()},
            }
            for row in self.candidates
        ]

    def markdown(self) -> str:
        """The decision with every check."""
        lines = [f"# {self.decision.replace('-', ' ').capitalize()}", "", self.sentence, ""]
        lines += ["| check | verdict | figure | threshold | in words |", "|---|---|---|---|---|"]
        for check in self.checks:
            name, verdict = words(check["name"]), words(check["verdict"]).lower()
            figures = f"{_figure(check['figure'])} | {_figure(check['threshold'])}"
            lines.append(f"| {name} | {verdict} | {figures} | {check['sentence']} |")
        lines += ["", f"Model `{self.model}` version {self.version}, stage {self.stage}. Report: `{self.page}`"]
        return "\n".join(lines) + "\n"


def _figure(value: Any) -> str:
    return f"{value:z.4g}" if isinstance(value, int | float) else "-"
