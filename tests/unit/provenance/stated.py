"""A version's facts, small and whole."""

from __future__ import annotations

from ganops.files import digest_json
from ganops.provenance.facts import (
    CodeFacts,
    DataFacts,
    Facts,
    JournalFacts,
    MachineFacts,
    ModelFacts,
    RunFacts,
    ScoreFacts,
)

MODULES = {"__init__.py": "1" * 64, "training/loop.py": "2" * 64}
SHARDS = {"images-00000.parquet": "3" * 64}


def facts() -> Facts:
    """Of version 3 of a model, not decided on yet."""
    return Facts(
        time="2026-01-31T02:14:09+00:00",
        actor="anna",
        model=ModelFacts(
            name="generator",
            version=3,
            candidate="lite",
            snapshot="a" * 64,
            files={"MLmodel": "b" * 64, "artifacts/snapshot/model.json": "a" * 64},
            info={"images_seen": 12_000, "candidate": {"family": "lite"}},
        ),
        data=DataFacts(
            dvc_md5="0" * 32 + ".dir",
            shards=SHARDS,
            sha256=digest_json(SHARDS),
            accepted=1790,
            refused=7,
            valid=True,
            rules=[{"rule": "unique", "success": True}],
            counts={"train": 1250, "select": 260, "test": 280},
            splits={"train": "4" * 64, "select": "5" * 64, "test": "6" * 64},
        ),
        code=CodeFacts(
            commit="c" * 40,
            uncommitted=None,
            changed=[],
            version="0.1.0",
            modules=MODULES,
            sha256=digest_json(MODULES),
            workspace_files={"params.yaml": "seed: 0\n", "data/raw.dvc": "outs: []\n"},
        ),
        machine=MachineFacts(
            packages_sha256="d" * 64, libraries={"python": "3.11.7", "torch": "2.13.0"}, hardware={"cores": "2"}
        ),
        scores=ScoreFacts(
            report={
                "metrics": {"fd_star": {"value": 3.5, "se": 0.1, "low": 3.3, "high": 3.7}},
                "plain_fd": "nan",
                "protocol": {"seed": 0},
            },
            extractor={"kind": "classifier", "sha256": "e" * 64, "accuracy": 0.98},
            reference={"test": {"count": 280, "hash": "f" * 64}},
        ),
        seeds={"training": 0, "split": 0},
        runs=RunFacts(mlflow_run="9" * 32, prefect_flow_run=None),
        journal=JournalFacts(count=4, digest="8" * 64),
    )
