"""What is known of a version when it is registered, gathered where it lies."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ganops import __version__
from ganops.config import Config
from ganops.data import prepared
from ganops.data.validated import read_verdict
from ganops.errors import DamagedFile
from ganops.files import digest_json, read_json, read_text, sha256_file
from ganops.layout import Layout
from ganops.ports import ModelVersion, Repository
from ganops.provenance.facts import CodeFacts, DataFacts, Facts, JournalFacts, ModelFacts, RunFacts, ScoreFacts
from ganops.provenance.journal import Journal
from ganops.provenance.machine import machine_facts, modules
from ganops.stages.evaluated import REPORT
from ganops.training.seeds import SAMPLE_SEED, SCORE_SEED
from ganops.workspace import Workspace

_SECRET = re.compile(r"\s*\w*(password|secret|token|credential|access_key|connection_string|account_key)\w*\s*=", re.I)
_CREDENTIALS = re.compile(r"://[^/@\s]*@")
_EMBEDDED = ("params.yaml", "dvc.yaml", "dvc.lock", ".dvc/config")


def gathered(
    workspace: Workspace,
    journal: Journal,
    repository: Repository,
    dvc_md5: str,
    version: ModelVersion,
    candidate: str,
    files: dict[str, str],
    mlflow_run: str | None,
    flow_run: str | None,
) -> Facts:
    """Everything but a decision.

    files: sha256 of every file of the version. mlflow_run, flow_run: ids of the runs that it came of.

    Raises:
        DamagedFile: what an earlier stage left is damaged.
    """
    layout, config = workspace.layout, workspace.config
    return Facts(
        time=now(),
        actor=journal.actor,
        model=_model(layout, version, candidate, files),
        data=_data(layout, dvc_md5),
        code=_code(layout, repository),
        machine=machine_facts(),
        scores=_scores(layout, candidate),
        seeds=_seeds(config),
        runs=RunFacts(mlflow_run=mlflow_run, prefect_flow_run=flow_run),
        journal=journal_end(journal),
    )


def now() -> str:
    """The time, as statements and the journal write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def journal_end(journal: Journal) -> JournalFacts:
    """Where the journal ends now."""
    head = journal.head()
    return JournalFacts(count=head.count, digest=head.digest)


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below `folder`, by its name there, sorted."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files if path.is_file()}


def workspace_files(layout: Layout) -> dict[str, str]:
    """Settings and pointers of a workspace, whole."""
    names = [name for name in _EMBEDDED if (layout.root / name).is_file()]
    pointers = [path.relative_to(layout.root).as_posix() for path in sorted(layout.data.rglob("*.dvc"))]
    try:
        files = {name: read_text(layout.root / name) for name in (*names, *pointers)}
        return {name: _without_secrets(text) if name == ".dvc/config" else text for name, text in files.items()}
    except (OSError, ValueError) as error:
        raise DamagedFile(f"A file that is stated whole cannot be read: {error}.") from None


def _without_secrets(config: str) -> str:
    """DVC's settings of where data lies, without what opens it: a statement is for many eyes."""
    kept = [line for line in config.splitlines(keepends=True) if not _SECRET.match(line)]
    return _CREDENTIALS.sub("://", "".join(kept))


def _model(layout: Layout, version: ModelVersion, candidate: str, files: dict[str, str]) -> ModelFacts:
    return ModelFacts(
        name=version.name,
        version=version.version,
        candidate=candidate,
        snapshot=version.snapshot_sha256,
        files=files,
        info=_table(read_json(layout.snapshot_card(candidate)).get("info")),
    )


def _data(layout: Layout, dvc_md5: str) -> DataFacts:
    verdict, dataset, shards = read_verdict(layout.validated), prepared.load(layout.prepared), digests(layout.raw)
    return DataFacts(
        dvc_md5=dvc_md5,
        shards=shards,
        sha256=digest_json(shards),
        accepted=int(verdict.get("accepted", 0)),
        refused=int(verdict.get("refused", 0)),
        valid=bool(verdict["success"]),
        rules=[_rule(rule) for rule in verdict["rules"]],
        counts={str(name): count for name, count in dataset.counts.items()},
        splits={str(name): digest for name, digest in dataset.sha256.items()},
    )


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Without the single images that offend it, of which there may be thousands."""
    return {key: rule[key] for key in ("rule", "severity", "success", "expected", "observed", "offenders")}


def _code(layout: Layout, repository: Repository) -> CodeFacts:
    state = repository.state()
    return CodeFacts(
        commit=state.commit,
        uncommitted=state.uncommitted,
        changed=list(state.changed),
        version=__version__,
        modules=modules(),
        sha256=digest_json(modules()),
        workspace_files=workspace_files(layout),
    )


def _scores(layout: Layout, candidate: str) -> ScoreFacts:
    reference = _table(read_json(layout.reference / "reference.json"))
    return ScoreFacts(
        report=_table(read_json(layout.evaluate_dir(candidate) / REPORT)),
        extractor=_table(reference.get("extractor")),
        reference=_table(reference.get("splits")),
    )


def _seeds(config: Config) -> dict[str, int]:
    return {
        "training": config.seed,
        "split": config.data.split.seed,
        "extractor": config.reference.seed,
        "scores while training": SCORE_SEED,
        "samples while training": SAMPLE_SEED,
        "evaluation": config.evaluate.seed,
    }


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
