from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from stated import facts

from ganops.errors import DamagedFile
from ganops.provenance.statement import facts_of, statement_of


def test_what_is_stated_comes_back() -> None:
    stated = json.loads(json.dumps(statement_of(facts())))
    assert facts_of(stated) == facts()


def test_it_is_an_in_toto_statement_of_slsa_provenance() -> None:
    stated = statement_of(facts())
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["predicateType"] == "https://slsa.dev/provenance/v1"
    assert {item["name"]: item["digest"]["sha256"] for item in stated["subject"]} == facts().model.files
    definition, run = stated["predicate"]["buildDefinition"], stated["predicate"]["runDetails"]
    assert set(definition) == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert set(run) == {"builder", "metadata"}
    resolved = {item["name"]: item["digest"] for item in definition["resolvedDependencies"]}
    assert resolved["data/raw"] == {"sha256": facts().data.sha256, "md5": "0" * 32}
    assert resolved["git"] == {"gitCommit": "c" * 40}
    extensions = set(stated["predicate"]) - {"buildDefinition", "runDetails"}
    assert all(name.startswith("ganops_") for name in extensions)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a/../../b", "a//b", "./a", "", ".", "..", "C:/b", "a\\..\\b", "a\0b", "a\nb"],
)
def test_a_name_that_leads_out_of_its_folder_is_refused(name: str) -> None:
    for change in (
        lambda stated: stated["subject"][0].update(name=name),
        lambda stated: stated["predicate"]["ganops_data"]["shards"].update({name: "3" * 64}),
        lambda stated: stated["predicate"]["buildDefinition"]["externalParameters"]["files"].update({name: "x"}),
        lambda stated: stated["predicate"]["buildDefinition"]["externalParameters"].update(candidate=name),
        lambda stated: stated["predicate"]["ganops_model"].update(name=name),
    ):
        refused(change)


@pytest.mark.parametrize(
    "change",
    [
        lambda stated: stated.clear(),
        lambda stated: stated.update(predicateType="https://slsa.dev/provenance/v2"),
        lambda stated: stated.update(predicate=[]),
        lambda stated: stated.update(subject=[]),
        lambda stated: stated["subject"].append(copy.deepcopy(stated["subject"][0])),
        lambda stated: stated["subject"].reverse(),
        lambda stated: stated["subject"][0]["digest"].update(sha256="short"),
        lambda stated: stated["predicate"].update(ganops_more="unread"),
        lambda stated: stated["predicate"]["ganops_model"].update(version=0),
        lambda stated: stated["predicate"]["ganops_data"].update(dvc_md5="1" * 32 + ".dir"),
        lambda stated: stated["predicate"]["ganops_decision"] or stated["predicate"].update(ganops_decision={"a": 1}),
    ],
)
def test_what_is_no_statement_is_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    refused(change)


def refused(change: Callable[[dict[str, Any]], Any]) -> None:
    stated = json.loads(json.dumps(statement_of(facts())))
    change(stated)
    with pytest.raises(DamagedFile, match=r"no statement of GanOps|of the kind"):
        facts_of(stated)


def test_figures_are_those_that_the_tracker_keeps() -> None:
    assert facts().scores.figures() == {"fd_star": 3.5, "fd_star_se": 0.1}
