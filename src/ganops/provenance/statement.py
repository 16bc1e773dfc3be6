"""A version's statement: an in-toto Statement v1 whose predicate is SLSA provenance v1. Facts in, a dict out, and back.

Subject are the files of the version; what SLSA has no field for stands in fields that begin with `ganops_`, as it asks
of extensions. SLSA build level 1 is claimed and no more: whoever builds also signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from pydantic import ValidationError

from ganops.errors import DamagedFile
from ganops.provenance.facts import (
    CodeFacts,
    DataFacts,
    DecisionFacts,
    Facts,
    JournalFacts,
    MachineFacts,
    ModelFacts,
    RunFacts,
    ScoreFacts,
)

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""What an envelope says that it holds."""
BUILD_TYPE = "urn:ganops:retrain:v1"
BUILDER = "urn:ganops:workspace:v1"
FORMAT = 1


@final
@dataclass(frozen=True)
class Opened:
    """A statement as it was stored. key: of whom, None where it is unsigned; verified: by a key that is trusted."""

    statement: Mapping[str, Any]
    key: str | None
    verified: bool


def statement_of(facts: Facts) -> dict[str, Any]:
    """The statement that says `facts`, as plain JSON values."""
    model, data, code, machine, scores = facts.model, facts.data, facts.code, facts.machine, facts.scores
    git = [_dependency("git", gitCommit=code.commit)] if code.commit else []
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_dependency(name, sha256=digest) for name, digest in sorted(model.files.items())],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"candidate": model.candidate, "files": dict(code.workspace_files)},
                "internalParameters": {"seeds": dict(facts.seeds)},
                "resolvedDependencies": [
                    _dependency("data/raw", sha256=data.sha256, md5=data.dvc_md5.removesuffix(".dir")),
                    *git,
                    _dependency("ganops", sha256=code.sha256),
                    _dependency("installed packages", sha256=machine.packages_sha256),
                ],
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"ganops": code.version, **machine.libraries}},
                "metadata": {"invocationId": _invocation(facts.runs), "finishedOn": facts.time},
            },
            "ganops_format": FORMAT,
            "ganops_actor": facts.actor,
            "ganops_model": model.model_dump(mode="json", exclude={"files", "candidate"}),
            "ganops_data": data.model_dump(mode="json", exclude={"sha256"}),
            "ganops_code": code.model_dump(mode="json", exclude={"commit", "workspace_files", "sha256", "version"}),
            "ganops_machine": {"hardware": dict(machine.hardware)},
            "ganops_scores": scores.model_dump(mode="json"),
            "ganops_runs": facts.runs.model_dump(mode="json"),
            "ganops_journal": facts.journal.model_dump(mode="json"),
            "ganops_decision": facts.decision.model_dump(mode="json") if facts.decision else None,
        },
    }


def facts_of(statement: Mapping[str, Any]) -> Facts:
    """What a statement says; the inverse of `statement_of`.

    Raises:
        DamagedFile: it is none of ours, or a name, a digest or a number in it is none.
    """
    try:
        facts = _facts_of(statement)
        whole = statement_of(facts) == statement
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(f"It is no statement of GanOps: {error!r} is missing or of another kind.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DamagedFile(f"It is no statement of GanOps: {where}: {first['msg']}.") from None
    if not whole:
        raise DamagedFile("It is no statement of GanOps: it says something more, or one thing in two ways.")
    return facts


def _facts_of(statement: Mapping[str, Any]) -> Facts:
    predicate = statement["predicate"]
    known = (statement["_type"], statement["predicateType"], predicate["ganops_format"])
    if known != (STATEMENT_TYPE, PREDICATE_TYPE, FORMAT):
        raise DamagedFile(f"It is of the kind {' '.join(map(str, known))[:200]}, which this version does not read.")
    build, run = predicate["buildDefinition"], predicate["runDetails"]
    resolved = {item["name"]: item["digest"] for item in build["resolvedDependencies"]}
    versions = dict(run["builder"]["version"])
    return Facts(
        time=run["metadata"]["finishedOn"],
        actor=predicate["ganops_actor"],
        model=ModelFacts(
            **predicate["ganops_model"],
            candidate=build["externalParameters"]["candidate"],
            files=_unique(statement["subject"]),
        ),
        data=DataFacts(**predicate["ganops_data"], sha256=resolved["data/raw"]["sha256"]),
        code=CodeFacts(
            **predicate["ganops_code"],
            commit=resolved["git"]["gitCommit"] if "git" in resolved else None,
            version=versions.pop("ganops"),
            sha256=resolved["ganops"]["sha256"],
            workspace_files=build["externalParameters"]["files"],
        ),
        machine=MachineFacts(
            **predicate["ganops_machine"],
            packages_sha256=resolved["installed packages"]["sha256"],
            libraries=versions,
        ),
        scores=ScoreFacts(**predicate["ganops_scores"]),
        seeds=build["internalParameters"]["seeds"],
        runs=RunFacts(**predicate["ganops_runs"]),
        journal=JournalFacts(**predicate["ganops_journal"]),
        decision=DecisionFacts(**predicate["ganops_decision"]) if predicate["ganops_decision"] else None,
    )


def _unique(subject: list[Mapping[str, Any]]) -> dict[str, str]:
    """Each file once: of two digests for one name, somebody could choose the one that fits."""
    files = {item["name"]: item["digest"]["sha256"] for item in subject}
    if len(files) != len(subject):
        raise DamagedFile("It is no statement of GanOps: it names a file twice.")
    return files


def _dependency(name: str, **digest: str) -> dict[str, Any]:
    return {"name": name, "digest": digest}


def _invocation(runs: RunFacts) -> str:
    return f"mlflow:{runs.mlflow_run}"
