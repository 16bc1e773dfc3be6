"""What is stated of a model version: values only, checked alike when they are gathered and when they are read back.

A statement that is read back was written by anybody: names of files in it are relative and stay below their folder,
digests are digests, and numbers are numbers, before anything else looks at them.
"""

from __future__ import annotations

import re
from math import isfinite
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self, final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from ganops.config import Name
from ganops.evaluation.report import tracked_name

_MAX_NAME = 1000


def _sha256(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("is no sha256")
    return value


def _relative(value: str) -> str:
    """A file name that cannot lead out of its folder, on any system."""
    path = PurePosixPath(value)
    odd = not value or len(value) > _MAX_NAME or "\\" in value or ":" in value or not value.isprintable()
    if odd or path.is_absolute() or ".." in path.parts or str(path) != value or value == ".":
        raise ValueError(f"{value[:100]!r} is no name of a file below a folder")
    return value


Sha256 = Annotated[str, AfterValidator(_sha256)]
RelativeName = Annotated[str, AfterValidator(_relative)]
"""A file's name below a folder, with / between its parts."""
DvcMd5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")]
GitCommit = Annotated[str, Field(pattern=r"^[0-9a-f]{40,64}$")]


class Fact(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def replaced(self, **changes: Any) -> Self:
        """The same with some of them other."""
        return self.model_copy(update=changes)


@final
class ModelFacts(Fact):
    """Which version this is. files: every file of it with its sha256, named below the model's folder."""

    name: Name
    version: Annotated[int, Field(ge=1)]
    candidate: Name
    snapshot: Sha256
    files: Annotated[dict[RelativeName, Sha256], Field(min_length=1)]
    info: dict[str, JsonValue]
    """What the snapshot says about its making: family, images seen, classes."""


@final
class DataFacts(Fact):
    """The images. dvc_md5: of `data/raw`, as DVC has it; shards: our own digest of each of its files."""

    dvc_md5: DvcMd5
    shards: dict[RelativeName, Sha256]
    sha256: Sha256
    """Of the canonical JSON of `shards`."""
    accepted: Annotated[int, Field(ge=0)]
    refused: Annotated[int, Field(ge=0)]
    valid: bool
    rules: list[dict[str, JsonValue]]
    counts: dict[str, int]
    """Images of each split, as prepared."""
    splits: dict[str, Sha256]


@final
class CodeFacts(Fact):
    """What ran. commit: of the workspace's repository; uncommitted: digest of what differed from it, None where nothing
    did. modules: sha256 of each source file of GanOps; sha256: of the canonical JSON of that."""

    commit: GitCommit | None
    uncommitted: Sha256 | None
    changed: list[str]
    """Names of the files that differed from the commit."""
    version: str
    modules: dict[RelativeName, Sha256]
    sha256: Sha256
    workspace_files: dict[RelativeName, str]
    """Settings and pointers, whole: params.yaml, dvc.yaml, dvc.lock, *.dvc, .dvc/config."""


@final
class MachineFacts(Fact):
    """packages_sha256: of the list of all installed packages; libraries: of those that decide a result."""

    packages_sha256: Sha256
    libraries: dict[str, str]
    hardware: dict[str, str]


@final
class ScoreFacts(Fact):
    """How good it is. report: of `evaluate`, whole: every figure on `select` with its interval, and the protocol."""

    report: dict[str, JsonValue]
    extractor: dict[str, JsonValue]
    reference: dict[str, JsonValue]
    """Of each split: hash and count."""

    @property
    def metrics(self) -> dict[str, dict[str, JsonValue]]:
        """The report's metrics; what is none, in a statement that anybody may have written, is left out."""
        found = self.report.get("metrics")
        return {
            name: item for name, item in (found if isinstance(found, dict) else {}).items() if isinstance(item, dict)
        }

    def figures(self) -> dict[str, float]:
        """Every finite figure by the name that the tracker keeps it under."""
        found: dict[str, object] = {}
        for metric, item in self.metrics.items():
            name = tracked_name(metric)
            found |= {name: item.get("value"), f"{name}_se": item.get("se")}
        return {
            name: float(value) for name, value in found.items() if isinstance(value, int | float) and isfinite(value)
        }


@final
class RunFacts(Fact):
    """Where it was recorded. None where it was trained without Prefect."""

    mlflow_run: str | None
    prefect_flow_run: str | None


@final
class DecisionFacts(Fact):
    """What the gate said, with all it takes to ask it again."""

    outcome: Literal["promoted", "kept-champion", "pending"]
    pair: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    comparison: dict[str, JsonValue]
    decision: dict[str, JsonValue]
    policy: dict[str, JsonValue]
    """`gate` of params.yaml at that time, with all defaults."""


@final
class JournalFacts(Fact):
    """Where the journal ended when this was stated: signed with the rest, it shows a history that was cut or
    rewritten."""

    count: Annotated[int, Field(ge=0)]
    digest: Sha256


@final
class Facts(Fact):
    """All that is stated of a version."""

    time: str
    actor: str
    model: ModelFacts
    data: DataFacts
    code: CodeFacts
    machine: MachineFacts
    scores: ScoreFacts
    seeds: dict[str, int]
    runs: RunFacts
    journal: JournalFacts
    decision: DecisionFacts | None = None
