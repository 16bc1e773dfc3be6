"""Every way that came to mind of changing a model, its record or its history unseen; and what the audit says to it.

One workspace with two signed versions, of which the first is the champion; a copy of it for each way.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from user_shell import Shell

from ganops import bootstrap, workspace
from ganops.adapters.key_ring import WorkspaceKeys
from ganops.errors import DamagedFile, RegistryError, UserError
from ganops.files import canonical_json, digest_json, sha256_bytes, sha256_file, write_json
from ganops.layout import Layout
from ganops.provenance.verification import Audit

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]  # MLflow on its stages
MODEL = "audited"
FORGED = "because I say so"


@pytest.fixture(scope="module")
def audited(trained: Shell, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1, promoted, and version 2, which was not better; both signed; all of it committed."""
    root = tmp_path_factory.mktemp("audited") / "mine"
    shutil.copytree(trained.folder, root, symlinks=True)
    shutil.rmtree(root / "journal", ignore_errors=True)
    layout = Layout(root)
    workspace.edit_params(layout, {"model.name": MODEL})
    bootstrap.open_app(root).keys.create()
    begun = bootstrap.open_app(root)
    begun.keep("A key")
    best = begun.register()
    assert begun.promote(best).outcome == "promoted"
    workspace.edit_params(layout, {f"candidates.{best.candidate}.promotable": False})
    second = bootstrap.open_app(root)
    assert second.promote(second.register()).outcome == "kept-champion"
    second.keep("Two versions")
    return root


@pytest.fixture
def root(audited: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    target = tmp_path / "copy"
    shutil.copytree(audited, target, symlinks=True)
    bootstrap.open_app(target).registry.versions()  # where it lies now is written into MLflow's database
    return target


def verified(root: Path, version: int | None = None) -> Audit:
    return bootstrap.open_app(root, reading=True).audit(version)


def test_an_untouched_workspace_passes(audited: Path) -> None:
    audit = verified(audited)
    assert audit.versions == (1, 2)
    assert [finding.sentence for finding in audit.findings] == []
    assert audit.remarks == ()
    assert {look.kind for look in audit.looks} >= {"files", "statement", "signature", "journal", "registry", "data"}


# ---------------------------------------------------------------- tools of the trade


def model_file(root: Path, name: str, version: int = 1) -> Path:
    run = bootstrap.open_app(root).sources.versions[version].run
    return root / ".ganops" / "mlflow" / "artifacts" / str(run) / "artifacts" / "model" / name


def flip(path: Path, place: int = -1) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def sql(root: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(root / ".ganops" / "mlflow" / "mlflow.db")) as connection, connection:
        assert connection.execute(statement, values).rowcount > 0, "it is there to be changed"


def lines(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "journal" / "journal.jsonl").read_text().splitlines()]


def chained(root: Path, entries: list[dict[str, Any]]) -> None:
    """Write a journal whose chain is whole, whatever it says."""
    previous = "0" * 64
    for entry in entries:
        entry.pop("digest", None)
        entry["previous"] = previous
        previous = entry["digest"] = digest_json(entry)
    (root / "journal" / "journal.jsonl").write_bytes(b"".join(canonical_json(entry) + b"\n" for entry in entries))


def raw_lines(root: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = root / "journal" / "journal.jsonl"
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))


def statement(root: Path, version: int = 1, number: int = 2) -> Path:
    return root / "journal" / "statements" / MODEL / str(version) / f"{number}.json"


def evidence(root: Path, folder: str) -> Path:
    pair = next(entry["details"]["pair"] for entry in lines(root) if entry["event"] == "promoted")
    return root / "journal" / folder / f"{pair}.json"


def client(root: Path) -> Any:
    return bootstrap.open_app(root).store.client()


def another_key(root: Path) -> WorkspaceKeys:
    keys = WorkspaceKeys(Layout(root.parent / "thief"), None)
    keys.create()
    return keys


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    write_json(path, value)


# ---------------------------------------------------------------- the model


def a_byte_of_the_weights(root: Path) -> None:
    flip(model_file(root, "artifacts/snapshot/generator.safetensors"))


def the_model_with_its_digest(root: Path) -> None:
    """Weights, the digest in model.json, and the digest of that in the registry: all consistent."""
    weights = model_file(root, "artifacts/snapshot/generator.safetensors")
    flip(weights)
    card = weights.with_name("model.json")
    edit_json(card, lambda model: model["files"].update({weights.name: sha256_file(weights)}))
    sql(
        root,
        "UPDATE model_version_tags SET value = ? WHERE name = ? AND version = 1 AND key = 'ganops.snapshot_sha256'",
        sha256_file(card),
        MODEL,
    )


def a_file_more(root: Path) -> None:
    model_file(root, "code/ganops/sitecustomize.py").write_text("print('planted')\n")


def a_file_of_git_more(root: Path) -> None:
    model_file(root, ".gitattributes").write_text("signers may leave this out\n")


def a_file_less(root: Path) -> None:
    model_file(root, "artifacts/snapshot/training_images.npy").unlink()


def a_file_that_is_a_link(root: Path) -> None:
    path = model_file(root, "requirements.txt")
    path.rename(root.parent / "elsewhere")
    path.symlink_to(root.parent / "elsewhere")


def a_pipe_among_its_files(root: Path) -> None:
    os.mkfifo(model_file(root, "code/pipe"))


def all_of_its_files_gone(root: Path) -> None:
    shutil.rmtree(model_file(root, ""))


def a_file_renamed(root: Path) -> None:
    path = model_file(root, "requirements.txt")
    path.rename(path.with_name("requirements.old"))


def the_code_that_is_served(root: Path) -> None:
    with model_file(root, "mlflow_model.py").open("a") as file:
        file.write("import os\n")


def where_it_is_served_from(root: Path) -> None:
    """The registry's source leads to another folder, in which everything but the weights is the same."""
    model = model_file(root, "")
    shutil.copytree(model, other := root / ".ganops" / "mlflow" / "artifacts" / "other")
    flip(other / "artifacts" / "snapshot" / "generator.safetensors")
    sql(
        root,
        "UPDATE model_versions SET source = ?, storage_location = ? WHERE name = ? AND version = 1",
        *(other.as_uri(),) * 2,
        MODEL,
    )


def where_its_run_keeps_it(root: Path) -> None:
    """Run and registry agree on a folder that is none of MLflow's: whoever audits must not fetch it."""
    sql(root, "UPDATE runs SET artifact_uri = 'file:///etc'")
    for column in ("source", "storage_location"):
        sql(root, f"UPDATE model_versions SET {column} = 'file:///etc/model' WHERE name = ? AND version = 1", MODEL)


# ---------------------------------------------------------------- the record and the registry


def a_metric_in_the_database(root: Path) -> None:
    run = bootstrap.open_app(root).sources.versions[1].run
    for table in ("metrics", "latest_metrics"):
        sql(root, f"UPDATE {table} SET value = 0.5 WHERE run_uuid = ? AND key = 'fd_star'", run)


def a_metric_where_only_its_page_reads_it(root: Path) -> None:
    run = bootstrap.open_app(root).sources.versions[1].run
    sql(root, "UPDATE latest_metrics SET value = 0.5 WHERE run_uuid = ? AND key = 'fd_star'", run)


def a_metric_logged_again(root: Path) -> None:
    client(root).log_metric(bootstrap.open_app(root).sources.versions[1].run, "fd_star", 0.5)


def the_alias(root: Path) -> None:
    client(root).set_registered_model_alias(MODEL, "champion", "2")


def the_alias_of_the_challenger(root: Path) -> None:
    client(root).delete_registered_model_alias(MODEL, "challenger")


def the_stage(root: Path) -> None:
    client(root).transition_model_version_stage(MODEL, "2", "Production")


def the_score_in_the_registry(root: Path) -> None:
    client(root).set_model_version_tag(MODEL, "2", "ganops.fd", "0.5")


def the_decision_in_the_registry(root: Path) -> None:
    client(root).set_model_version_tag(MODEL, "2", "ganops.decision", "promoted")


def the_reason_in_the_registry(root: Path) -> None:
    client(root).set_model_version_tag(MODEL, "1", "ganops.reason", FORGED)


def the_name_of_the_score_in_the_registry(root: Path) -> None:
    client(root).set_model_version_tag(MODEL, "2", "ganops.score", "fid")


def a_decision_without_its_workspace(root: Path) -> None:
    """Whoever takes that tag away may say anything of decision and reason."""
    client(root).delete_model_version_tag(MODEL, "2", "ganops.decided_by")


def no_decision_in_the_registry(root: Path) -> None:
    for tag in ("decision", "reason", "decided_by"):
        client(root).delete_model_version_tag(MODEL, "2", f"ganops.{tag}")


def the_owner(root: Path) -> None:
    client(root).set_registered_model_tag(MODEL, "ganops.owner", "evil")


def a_version_less(root: Path) -> None:
    client(root).delete_model_version(MODEL, "2")


def a_version_more(root: Path) -> None:
    client(root).create_model_version(MODEL, model_file(root, "").as_uri())


# ---------------------------------------------------------------- the journal


def a_line_edited(root: Path) -> None:
    raw_lines(root, lambda text: [line.replace("lowest distance", FORGED) for line in text])


def a_line_removed(root: Path) -> None:
    raw_lines(root, lambda text: [*text[:1], *text[2:]])


def two_lines_reordered(root: Path) -> None:
    raw_lines(root, lambda text: [text[1], text[0], *text[2:]])


def half_a_line(root: Path) -> None:
    raw_lines(root, lambda text: [*text[:-1], text[-1][:40]])


def its_tail_cut(root: Path) -> None:
    raw_lines(root, lambda text: text[:-1])


def all_of_it_gone(root: Path) -> None:
    raw_lines(root, lambda text: [])


def a_folder_in_its_place(root: Path) -> None:
    path = root / "journal" / "journal.jsonl"
    path.unlink()
    path.mkdir()


def all_of_it_written_anew(root: Path) -> None:
    entries = lines(root)
    entries[0]["reason"] = FORGED
    chained(root, entries)


def a_promotion_that_never_was(root: Path) -> None:
    entries = lines(root)
    last = next(entry for entry in entries if entry["event"] == "promoted")
    forged = {**last["details"], "to": 2, "from": 1, "after": {"champion": 2, "previous": 1, "challenger": None}}
    chained(root, [*entries, {**last, "version": 2, "reason": FORGED, "details": forged, "time": entries[-1]["time"]}])


def a_promotion_that_the_gate_refused(root: Path) -> None:
    entries = lines(root)
    refused = next(entry for entry in entries if entry["event"] == "kept-champion")
    chained(root, [*entries, {**refused, "event": "promoted", "time": entries[-1]["time"]}])


def a_word_that_nobody_gave(root: Path) -> None:
    entries = lines(root)
    said = {"event": "approved", "actor": "CEO", "reason": FORGED, "version": 2}
    chained(root, [*entries, {**entries[-1], **said}])


def a_line_more(root: Path) -> None:
    entries = lines(root)
    chained(root, [*entries, {**entries[-1], "event": "repaired", "reason": FORGED, "details": {"model": MODEL}}])


def a_change_in_the_registry(root: Path) -> None:
    tag = json.loads(client(root).get_registered_model(MODEL).tags["ganops.change"])
    client(root).set_registered_model_tag(MODEL, "ganops.change", json.dumps({**tag, "workspace": "evil"}))


def the_last_change_in_the_registry(root: Path) -> None:
    tag = json.loads(client(root).get_registered_model(MODEL).tags["ganops.change"])
    client(root).set_registered_model_tag(MODEL, "ganops.change", json.dumps({**tag, "intent": "0" * 64}))


def a_decision_that_is_not_the_one_stated(root: Path) -> None:
    entries = lines(root)
    entries[-1]["details"] |= {"gate": "promote"}
    chained(root, entries)


def the_clock_set_back(root: Path) -> None:
    app = bootstrap.open_app(root)
    app.journal.append("repaired", 1, "nothing", {"model": MODEL})
    entries = lines(root)
    entries[-1]["time"] = "2001-01-01T00:00:00+00:00"
    chained(root, entries)


# ---------------------------------------------------------------- statements, signatures, keys


def a_statement_edited(root: Path) -> None:
    flip(statement(root), 40)


def a_statement_of_another_version(root: Path) -> None:
    shutil.copyfile(statement(root, version=2), statement(root))


def a_statement_gone(root: Path) -> None:
    statement(root).unlink()


def a_statement_that_nobody_made(root: Path) -> None:
    shutil.copyfile(statement(root), statement(root, number=3))


def a_statement_without_its_signature(root: Path) -> None:
    opened = bootstrap.open_app(root).keys.opened(statement(root).read_bytes())
    write_json(statement(root), opened.statement)


def a_statement_signed_by_another_key(root: Path) -> None:
    opened = bootstrap.open_app(root).keys.opened(statement(root).read_bytes())
    write_json(statement(root), another_key(root).sealed(json.dumps(opened.statement).encode()))


def the_copy_of_a_statement(root: Path) -> None:
    kept = model_file(root, "").parent / "provenance" / "2.json"
    shutil.copyfile(statement(root, number=1), kept)


def the_copy_of_a_statement_gone(root: Path) -> None:
    (model_file(root, "").parent / "provenance" / "2.json").unlink()


def the_copy_of_a_statement_a_folder(root: Path) -> None:
    the_copy_of_a_statement_gone(root)
    (model_file(root, "").parent / "provenance" / "2.json").mkdir()


def a_statement_that_is_a_pipe(root: Path) -> None:
    statement(root).unlink()
    os.mkfifo(statement(root))


def the_signature_of_the_model_gone(root: Path) -> None:
    statement(root).with_name("model.sig").unlink()


def the_signature_of_the_model_by_another_key(root: Path) -> None:
    another_key(root).sign_folder(model_file(root, ""), statement(root).with_name("model.sig"))


def the_public_key(root: Path) -> None:
    shutil.copyfile(another_key(root).public, root / "keys" / "ganops.pub")


def a_public_key_that_is_a_folder(root: Path) -> None:
    (root / "keys" / "x.pub").mkdir()


def a_public_key_more(root: Path) -> None:
    shutil.copyfile(another_key(root).public, root / "keys" / "x.pub")


def everything_but_the_private_key(root: Path) -> None:
    """A better score, stated and signed with a key of one's own, and every digest, tag and copy put right."""
    app, keys = bootstrap.open_app(root), another_key(root)
    facts = json.loads(json.dumps(app.keys.opened(statement(root).read_bytes()).statement))
    facts["predicate"]["ganops_scores"]["report"]["metrics"]["fd_star"]["value"] = 0.5
    write_json(statement(root), keys.sealed(json.dumps(facts).encode()))
    run = app.sources.versions[1].run
    for table in ("metrics", "latest_metrics"):
        sql(root, f"UPDATE {table} SET value = 0.5 WHERE run_uuid = ? AND key = 'fd_star'", run)
    shutil.copyfile(statement(root), model_file(root, "").parent / "provenance" / "2.json")
    entries = lines(root)
    for entry in entries:
        if entry["version"] == 1 and entry["details"].get("statement_number") == 2:
            entry["details"] |= {"statement": sha256_bytes(statement(root).read_bytes()), "key": keys.signs_as}
    chained(root, entries)
    noted(root)
    client(root).set_model_version_tag(MODEL, "1", "ganops.fd", "0.5")


def noted(root: Path) -> None:
    """Every note of the journal's end, put right or taken away."""
    entries = lines(root)
    end = f"{len(entries)}:{entries[-1]['digest']}"
    sql(root, "UPDATE registered_model_tags SET value = ? WHERE key LIKE 'ganops.journal.%' AND name = ?", end, MODEL)
    sql(root, "UPDATE model_version_tags SET value = ? WHERE key = 'ganops.journal' AND name = ?", end, MODEL)
    tags = subprocess.run(["git", "tag", "--list"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["git", "tag", "--delete", *tags], cwd=root, capture_output=True, check=True)


def the_signatures_of_a_version(root: Path) -> None:
    """Taken off its statements and its files, in the journal, MLflow and everywhere else, too."""
    keys, entries = bootstrap.open_app(root).keys, lines(root)
    for place, entry in enumerate(entries):
        if entry["version"] == 2:
            path = statement(root, 2, entry["details"]["statement_number"])
            bare = json.loads(json.dumps(keys.opened(path.read_bytes()).statement))
            bare["predicate"]["ganops_journal"]["digest"] = entries[place - 1]["digest"]
            write_json(path, bare)
            shutil.copyfile(path, model_file(root, "", 2).parent / "provenance" / path.name)
            unsigned = {"statement": sha256_file(path), "key": None, "model_signature": None}
            entry["details"] |= unsigned
            chained(root, entries)
    statement(root, 2).with_name("model.sig").unlink()
    noted(root)


def the_reason_of_the_last_decision(root: Path) -> None:
    """No statement was made after it: without a signed end nothing would bind anybody's word."""
    entries = lines(root)
    entries[-1]["reason"] = FORGED
    chained(root, entries)
    noted(root)


def a_journal_that_was_committed_otherwise(root: Path) -> None:
    the_reason_of_the_last_decision(root)
    shutil.rmtree(root / "journal" / "heads")


def a_line_more_that_is_noted(root: Path) -> None:
    a_line_more(root)
    noted(root)


def the_signed_end_gone(root: Path) -> None:
    shutil.rmtree(root / "journal" / "heads")


def the_signed_end_by_another_key(root: Path) -> None:
    path = root / "journal" / "heads" / "5.json"
    opened = bootstrap.open_app(root).keys.opened(path.read_bytes())
    write_json(path, another_key(root).sealed(json.dumps(opened.statement).encode()))


def the_signed_end_without_its_signature(root: Path) -> None:
    path = root / "journal" / "heads" / "5.json"
    write_json(path, bootstrap.open_app(root).keys.opened(path.read_bytes()).statement)


# ---------------------------------------------------------------- git


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True)


def a_git_tag_gone(root: Path) -> None:
    git(root, "tag", "--delete", f"ganops/{MODEL}/v1-promoted-3")


def a_git_tag_elsewhere(root: Path) -> None:
    git(root, "tag", "--force", "--annotate", "--message", "nothing", f"ganops/{MODEL}/v1-promoted-3", "HEAD~1")


def gits_head(root: Path) -> None:
    (root / ".git" / "HEAD").write_text("garbage")


# ---------------------------------------------------------------- data and evidence


def a_data_shard(root: Path) -> None:
    flip(next((root / "data" / "raw").glob("*.parquet")), 100)


def a_data_shard_in_the_cache(root: Path) -> None:
    size = next((root / "data" / "raw").glob("*.parquet")).stat().st_size
    flip(next(path for path in (root / ".dvc" / "cache").rglob("*") if path.is_file() and path.stat().st_size == size))


def the_prepared_images(root: Path) -> None:
    flip(root / "data" / "prepared" / "test" / "images.npy")


def dvc_lock(root: Path) -> None:
    path = root / "dvc.lock"
    path.write_text(path.read_text().replace("ganops validate", "ganops validate  "))


def an_output_in_dvc_lock(root: Path) -> None:
    path = root / "dvc.lock"
    text = path.read_text()
    place = text.index("md5: ", text.index("outs:")) + 5
    path.write_text(text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :])


def the_pointer_to_the_data(root: Path) -> None:
    path = root / "data" / "raw.dvc"
    path.write_text(path.read_text().replace("nfiles: 1", "nfiles: 2"))


def dvc_lock_gone(root: Path) -> None:
    (root / "dvc.lock").unlink()


def the_pointer_to_the_data_gone(root: Path) -> None:
    (root / "data" / "raw.dvc").unlink()


def behind_a_link(root: Path, name: str) -> None:
    (root / name).rename(root.parent / "elsewhere")
    (root / name).symlink_to(root.parent / "elsewhere")


def the_data_behind_a_link(root: Path) -> None:
    behind_a_link(root, "data/raw")


def the_keys_behind_a_link(root: Path) -> None:
    behind_a_link(root, "keys")


def a_statement_behind_a_link(root: Path) -> None:
    behind_a_link(root, str(statement(root).relative_to(root)))


def the_journal_behind_a_link(root: Path) -> None:
    behind_a_link(root, "journal/journal.jsonl")


def what_was_decided(root: Path) -> None:
    edit_json(evidence(root, "decisions"), lambda stored: stored["decision"].update(sentence=FORGED))


def what_was_measured(root: Path) -> None:
    path = evidence(root, "comparisons")
    edit_json(path, lambda stored: stored["metrics"]["fd_star"]["challenger"].update(value=0.5))


def what_was_measured_with_a_number_that_is_none(root: Path) -> None:
    path = evidence(root, "comparisons")
    path.write_text(path.read_text().rstrip().removesuffix("}") + ', "more": NaN}')


WAYS: Mapping[Callable[[Path], None], tuple[str, int | None, str]] = {
    a_byte_of_the_weights: ("files", 1, r"artifacts/snapshot/generator\.safetensors was changed"),
    the_model_with_its_digest: ("files", 1, r"generator\.safetensors was changed"),
    a_file_more: ("files", 1, r"code/ganops/sitecustomize\.py was added"),
    a_file_of_git_more: ("files", 1, r"\.gitattributes was added"),
    a_file_less: ("files", 1, r"training_images\.npy is missing"),
    a_file_that_is_a_link: ("files", 1, r"where MLflow keeps version 1, requirements\.txt is a link"),
    a_pipe_among_its_files: ("files", 1, r"where MLflow keeps version 1, code/pipe is no plain file"),
    all_of_its_files_gone: ("files", 1, r"where MLflow keeps version 1, is gone"),
    a_file_renamed: ("files", 1, r"requirements\.txt was renamed to requirements\.old"),
    the_code_that_is_served: ("files", 1, r"mlflow_model\.py was changed"),
    where_it_is_served_from: ("files", 1, r"serves version 1 from file:.*/other, which is not where GanOps put it"),
    where_its_run_keeps_it: ("files", 1, r"serves version 1 from file:///etc/model, which is not where GanOps put it"),
    a_metric_in_the_database: ("record", 1, r"metric fd_star of version 1 .* is 0\.5, and its statement says"),
    a_metric_where_only_its_page_reads_it: ("record", 1, r"metric fd_star of version 1 .* is 0\.5"),
    a_metric_logged_again: ("record", 1, r"metric fd_star of version 1 .* is 0\.5"),
    the_alias: ("registry", None, r"alias champion to version 1 \(it names version 2\)"),
    the_alias_of_the_challenger: ("registry", None, r"alias challenger names nothing, and by the journal"),
    the_stage: ("registry", None, r"version 2 to stage Staging \(it is in Production\)"),
    the_score_in_the_registry: ("registry", 2, r"tag ganops\.fd of version 2 is '0\.5'"),
    the_decision_in_the_registry: ("registry", 2, r"tag ganops\.decision of version 2 is 'promoted'"),
    the_reason_in_the_registry: ("registry", 1, r"tag ganops\.reason of version 1 is not the journal's"),
    the_name_of_the_score_in_the_registry: ("registry", 2, r"tag ganops\.score of version 2 is 'fid'"),
    a_decision_without_its_workspace: ("registry", 2, r"tag ganops\.decided_by of version 2 is missing"),
    no_decision_in_the_registry: ("registry", 2, r"tag ganops\.decision of version 2 is missing, .* 'kept-champion'"),
    the_owner: ("registry", None, r"tag ganops\.owner names the workspace evil, which the journal does not know"),
    a_version_less: ("registry", 2, r"Version 2 was registered, and the registry does not hold it"),
    a_version_more: ("registry", 3, r"holds version 3, which the journal never registered"),
    a_line_edited: ("journal", None, r"Line 1 of the journal \(registered, version 1\) was edited"),
    a_line_removed: ("journal", None, r"Line 2 of the journal does not follow"),
    two_lines_reordered: ("journal", None, r"Line 1 of the journal does not follow"),
    half_a_line: ("journal", None, r"Line 5 of the journal is no entry any more"),
    its_tail_cut: ("anchor", None, r"had 5 lines, and it has 4: its end was cut off"),
    all_of_it_gone: ("anchor", None, r"had 5 lines, and it has 0: its end was cut off"),
    a_folder_in_its_place: ("journal", None, r"journal\.jsonl, cannot be read \(Is a directory\)"),
    all_of_it_written_anew: ("anchor", None, r"the journal was written anew"),
    a_promotion_that_never_was: ("registry", None, r"alias champion to version 2"),
    a_promotion_that_the_gate_refused: ("decision", 2, r"Version 2 was promoted on .*, though the gate said no"),
    a_word_that_nobody_gave: ("history", 2, r"Line 6 .*\(approved, version 2\) is a person's word that no line"),
    a_line_more: ("history", None, r"Line 6 .* after the last end that the registry was told of \(5 lines\)"),
    a_change_in_the_registry: ("history", None, r"changed last by workspace evil, which does not own the model"),
    the_last_change_in_the_registry: ("history", None, r"tag ganops\.change, .* is not what the journal's last line"),
    a_decision_that_is_not_the_one_stated: ("decision", 2, r"\(kept-champion, version 2\) says something else"),
    the_clock_set_back: ("clock", 1, r"Line 6 .* is dated 2001-01-01.*the clock was set back"),
    a_statement_edited: ("statement", 1, r"1/2\.json is not the one that the journal's line"),
    a_statement_of_another_version: ("statement", 1, r"1/2\.json is not the one .* edited or exchanged"),
    a_statement_gone: ("statement", 1, r"1/2\.json cannot be read"),
    a_statement_that_nobody_made: ("statement", 1, r"1/3\.json is named by no line of the journal"),
    a_statement_without_its_signature: ("statement", 1, r"1/2\.json is not the one"),
    a_statement_signed_by_another_key: ("statement", 1, r"1/2\.json is not the one"),
    the_copy_of_a_statement: ("statement", 1, r"copy of statement 2 of version 1 in MLflow .* was edited or exchanged"),
    the_copy_of_a_statement_gone: ("statement", 1, r"copy of statement 2 of version 1 in MLflow .* is gone"),
    the_copy_of_a_statement_a_folder: ("statement", 1, r"copy of statement 2 of version 1 .* cannot be read"),
    a_statement_that_is_a_pipe: ("statement", 1, r"1/2\.json cannot be read \(It is no plain file\)"),
    the_signature_of_the_model_gone: ("signature", 1, r"1/model\.sig, .* is gone"),
    the_signature_of_the_model_by_another_key: ("signature", 1, r"model\.sig is not the signature that the journal"),
    the_public_key: ("keys", None, r"keys/ganops\.pub is not the public key that was committed"),
    a_public_key_that_is_a_folder: ("keys", None, r"keys/x\.pub cannot be read as a public key \(Is a directory\)"),
    a_public_key_more: ("keys", None, r"keys/x\.pub is a public key that was never committed"),
    everything_but_the_private_key: ("signature", 1, r"statement 2 of version 1 is by key \w+ and does not fit"),
    the_signatures_of_a_version: ("signature", 2, r"Statement 1 of version 2 is not signed, though version 1 was"),
    a_journal_that_was_committed_otherwise: ("anchor", None, r"does not begin with what was committed of it"),
    the_reason_of_the_last_decision: ("signature", None, r"By journal/heads/5\.json, .* it was written anew"),
    a_line_more_that_is_noted: ("signature", None, r"end \(journal/heads/5\.json\) is line 5, and it has 6 lines"),
    the_signed_end_gone: ("signature", None, r"There is a key, and no signed end of the journal"),
    the_signed_end_by_another_key: ("signature", None, r"heads/5\.json, .* is by key \w+ and does not fit"),
    the_signed_end_without_its_signature: ("signature", None, r"signature of journal/heads/5\.json, .* is gone"),
    a_git_tag_gone: ("history", None, r"git tag ganops/audited/v1-promoted-3, which notes line 3 .* is not there"),
    a_git_tag_elsewhere: ("history", None, r"git tag ganops/audited/v1-promoted-3 does not note line 3"),
    gits_head: ("history", None, r"\.git is there, and git cannot read it \(fatal: "),
    a_data_shard: ("data", None, r"data/raw is not what data/raw\.dvc says .*: images-00000\.parquet differ"),
    a_data_shard_in_the_cache: ("data", 1, r"images-00000\.parquet in DVC's cache is not what was recorded"),
    the_prepared_images: ("data", None, r"data/prepared is not what dvc\.lock says .*: test/images\.npy differ"),
    the_data_behind_a_link: ("data", None, r"data/raw is a link to .*elsewhere"),
    the_keys_behind_a_link: ("keys", None, r"keys is a link to .*elsewhere"),
    a_statement_behind_a_link: ("statement", None, r"1/2\.json is a link to .*elsewhere"),
    the_journal_behind_a_link: ("journal", None, r"journal/journal\.jsonl is a link to .*elsewhere"),
    dvc_lock_gone: ("data", None, r"dvc\.lock was committed, and is gone"),
    the_pointer_to_the_data_gone: ("data", None, r"data/raw\.dvc was committed, and is gone"),
    dvc_lock: ("data", None, r"dvc\.lock is neither as it was committed"),
    an_output_in_dvc_lock: ("data", None, r"is not what dvc\.lock says"),
    the_pointer_to_the_data: ("data", None, r"data/raw\.dvc is neither as it was committed"),
    what_was_decided: ("decision", 1, r"decisions/\w+\.json, the evidence .* was edited"),
    what_was_measured: ("decision", 1, r"comparisons/\w+\.json, the evidence .* was edited"),
    what_was_measured_with_a_number_that_is_none: ("decision", 1, r"comparisons/\w+\.json, the evidence .* was edited"),
}
"""Each way, and what is found: its kind, the version it is about, and words of the sentence."""


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_tampering_is_found_and_named(way: Callable[[Path], None], root: Path) -> None:
    way(root)
    kind, version, words = WAYS[way]
    found = verified(root).findings
    assert any(
        (finding.kind, finding.version) == (kind, version) and re.search(words, finding.sentence) for finding in found
    ), [finding.to_json() for finding in found]


@pytest.mark.parametrize(
    "way",
    [its_tail_cut, all_of_it_gone, half_a_line, a_line_removed, a_folder_in_its_place, all_of_it_written_anew],
)
def test_a_journal_that_is_not_whole_is_named_first_and_nothing_else_is_blamed_for_it(
    way: Callable[[Path], None], root: Path
) -> None:
    way(root)
    audit = verified(root)
    assert audit.findings[0].kind in ("journal", "anchor") and "git checkout journal" in audit.remarks[0]
    said = " ".join([*audit.remarks, *(finding.sentence for finding in audit.findings)])
    assert "registry" not in {finding.kind for finding in audit.findings} and "doctor" not in said
    assert {look.verdict for look in audit.looks if (look.kind, look.version) == ("registry", None)} == {"not_applied"}


def test_a_public_key_that_is_none_is_named_and_no_statement_is_blamed_for_it(root: Path) -> None:
    a_public_key_that_is_a_folder(root)
    assert {finding.kind for finding in verified(root).findings} == {"keys"}


# ---------------------------------------------------------------- what is no tampering, and what follows from some


def test_what_a_killed_command_left_unsigned_is_found_and_made_good(root: Path) -> None:
    app = bootstrap.open_app(root)
    app.journal.append("repaired", 1, "nothing", {"model": MODEL})
    found = verified(root).findings
    assert {finding.kind for finding in found} == {"history", "signature"}
    assert all("`ganops recover`" in finding.sentence for finding in found)
    assert "signed" in str(bootstrap.open_app(root).recover())
    assert [finding.sentence for finding in verified(root).findings] == []
    assert [path.name for path in (root / "journal" / "heads").iterdir()] == ["6.json"]
    assert bootstrap.open_app(root).recover() is None


def test_a_journal_that_was_written_anew_is_not_signed_anew(root: Path) -> None:
    the_reason_of_the_last_decision(root)
    with pytest.raises(DamagedFile, match=r"heads/5\.json, the signed end of .*, does not fit: .* written anew"):
        bootstrap.open_app(root).rollback(None, "why not")
    (finding,) = bootstrap.open_app(root).doctor(repair=True, adopt=False)[:1]
    assert (finding.severity, finding.about) == ("fault", "journal")


def test_an_auditor_who_brings_the_key_trusts_no_other(root: Path, tmp_path: Path) -> None:
    key = tmp_path / "mine.pub"
    shutil.copyfile(root / "keys" / "ganops.pub", key)
    assert [finding.sentence for finding in bootstrap.open_app(root).audit(1, [key]).findings] == []
    other = bootstrap.open_app(root).audit(1, [another_key(root).public])
    said = {finding.sentence for finding in other.findings if finding.kind == "signature"}
    assert any(re.search(r"is by key \w+ and does not fit, or .* those that were given", sentence) for sentence in said)
    with pytest.raises(UserError, match=r"is no public key that GanOps could have made"):
        bootstrap.open_app(root).audit(1, [root / "params.yaml"])


def test_serving_the_champion_leaves_its_files_as_they_were_signed(root: Path) -> None:
    """MLflow runs a model from where it is kept, and Python would compile it there."""
    code = f"import mlflow; print(len(mlflow.pyfunc.load_model('models:/{MODEL}@champion').predict([{{'n': 2}}])))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    uri = f"sqlite:///{root}/.ganops/mlflow/mlflow.db"
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**environment, "MLFLOW_TRACKING_URI": uri},
        cwd=root.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split()[-1] == "2"
    assert [finding.sentence for finding in verified(root, 1).findings] == []


@pytest.mark.parametrize(
    "way", [a_byte_of_the_weights, a_file_more, where_it_is_served_from, a_statement_edited, the_public_key]
)
def test_a_version_that_is_not_as_stated_is_not_promoted(way: Callable[[Path], None], root: Path) -> None:
    version = bootstrap.open_app(root).sources.versions[1]
    way(root)
    with pytest.raises(
        (DamagedFile, RegistryError),
        match=r"not what was stated|is not the one|not among those in keys/|not where GanOps",
    ):
        bootstrap.open_app(root).registrar.verify(version)


def test_what_is_not_signed_is_said_and_can_be_forbidden(copied: Shell) -> None:
    app = bootstrap.open_app(copied.folder)
    audit = app.audit(1)
    assert [finding.sentence for finding in audit.findings] == []
    assert any(remark.startswith("NOT SIGNED: version 1.") for remark in audit.remarks)
    (signature,) = (look for look in audit.looks if look.kind == "signature")
    assert signature.verdict == "not_applied" and "Nothing is signed" in signature.sentence
    app.registrar.verify(app.sources.versions[1])
    workspace.edit_params(app.layout, {"gate.require_signature": True})
    app.keys.create()
    strict = bootstrap.open_app(copied.folder)
    with pytest.raises(UserError, match=r"not signed, and gate\.require_signature"):
        strict.registrar.verify(strict.sources.versions[1])


def test_the_verbs_of_an_auditor(root: Path, tmp_path: Path) -> None:
    shell = Shell(root)
    assert "No finding" in shell("audit", "verify").stdout
    page = tmp_path / "page.html"
    shown = shell("audit", "show", "2", "-o", str(page)).stdout
    assert "Who decided, and why?" in shown and "Kept champion" in shown
    html = page.read_text()
    assert html.count("<svg") == 1 and "Champion of then" in html and "<script" not in html
    a_byte_of_the_weights(root)
    page.unlink()
    shown = shell("audit", "show", "1", "-o", str(page), expect=1)
    assert shown.stdout.index("FINDING (files)") < shown.stdout.index("Is it really this file?")
    assert "2 things are not as stated" in shown.stderr and "generator.safetensors was changed" in page.read_text()
    result = shell("audit", "verify", "--all", "--json", expect=1)
    found = json.loads(result.stdout)
    assert (found["versions"], found["clean"]) == ([1, 2], False)
    assert {finding["kind"] for finding in found["findings"]} == {"files", "signature"}
    assert "2 things are not as stated" in result.stderr
    assert "knows version 9" in shell("audit", "verify", "9", expect=2).stderr
    assert "exists already" in shell("keys", "init", expect=2).stderr
