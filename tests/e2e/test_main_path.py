"""Images in, a promoted generator out: every part real, through the command line."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image
from user_shell import GANOPS, Shell

from ganops import workspace
from ganops.layout import Layout
from ganops.models.sampling import generate
from ganops.models.snapshot import load_snapshot

pytestmark = pytest.mark.slow


def test_the_first_run_ends_in_a_promoted_generator(trained: Shell) -> None:
    status = trained.json("status")
    assert status["model"] == "generator" and status["stale"] == []
    (version,) = status["versions"]
    assert (version["stage"], version["aliases"], version["decision"]) == ("Production", ["champion"], "promoted")
    assert version["fd"] > 0
    events = trained.json("history")["events"]
    assert [event["event"] for event in events] == ["registered", "promoted"]
    assert all({"time", "event", "version", "reason"} <= set(event) for event in events)


def test_an_auditor_finds_what_a_run_made_as_it_is_stated(trained: Shell) -> None:
    audit = trained.json("audit", "verify", "--all")
    assert (audit["versions"], audit["clean"], audit["findings"]) == ([1], True, [])
    assert [remark for remark in audit["remarks"] if not remark.startswith("NOT SIGNED: version 1.")] == []


@pytest.mark.parametrize("command", ["status --json", "history", "doctor", "recover", "audit show 1", "audit verify 1"])
def test_who_only_looks_does_not_wait_for_torch(copied: Shell, command: str) -> None:
    program = "import sys; sys.modules['torch'] = None; from ganops.cli import main; main()"
    started = [sys.executable, "-c", program, *command.split()]
    looked = subprocess.run(started, cwd=copied.folder, capture_output=True, text=True, timeout=600)
    assert looked.returncode == 0, looked.stderr


def test_mlflow_holds_a_run_for_each_candidate_under_one_parent(trained: Shell) -> None:
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{trained.folder}/.ganops/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("generator")
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(parents) == 1 and {run.data.tags["ganops.candidate"] for run in children} == {"dcgan", "lite"}
    for run in children:
        assert run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
        assert run.info.status == "FINISHED" and run.data.params["seed"] == "0"
        assert run.data.metrics["fd_star"] > 0
        assert len(client.get_metric_history(run.info.run_id, "fd")) >= 1
        assert run.inputs.dataset_inputs[0].dataset.digest
        names = {item.path for item in client.list_artifacts(run.info.run_id)}
        assert {"samples", "stats.jsonl", "params.yaml", "dvc.lock"} <= names


def test_history_is_in_git_and_bytes_are_not(trained: Shell) -> None:
    files = subprocess.run(["git", "ls-files"], cwd=trained.folder, capture_output=True, text=True, check=True).stdout
    assert {"dvc.lock", "data/raw.dvc", "journal/journal.jsonl", "params.yaml"} <= set(files.split())
    assert not [name for name in files.split() if name.endswith((".npy", ".parquet", ".safetensors", ".db", ".png"))]
    state = subprocess.run(["git", "status", "--short"], cwd=trained.folder, capture_output=True, text=True, check=True)
    assert state.stdout == ""


def test_dvc_alone_finds_everything_up_to_date(trained: Shell) -> None:
    assert "up to date" in trained.dvc("status")
    output = trained.dvc("repro")
    assert "Running stage" not in output and "didn't change" in output


def test_a_second_run_retrains_and_registers_nothing(copied: Shell) -> None:
    before = copied.json("status")["versions"]
    outcome = copied.json("run")
    assert not outcome["changed"] and outcome["decision"] == "unchanged"
    assert copied.json("status")["versions"] == before
    assert len(copied.json("history")["events"]) == 2


def test_another_seed_is_another_try_and_every_decision_is_in_the_history(copied: Shell) -> None:
    outcome = copied.json("run", "--seed", "1")
    assert outcome["changed"] and outcome["decision"] in ("promoted", "kept-champion")
    assert workspace.load(Layout(copied.folder)).config.seed == 1
    improvement = next(check for check in outcome["checks"] if check["name"] == "fd_improvement")
    assert (improvement["bound"] > improvement["threshold"]) == (improvement["verdict"] == "passed")
    assert (outcome["decision"] == "promoted") == all(check["verdict"] != "failed" for check in outcome["checks"])
    versions = copied.json("status")["versions"]
    assert [version["version"] for version in versions] == [2, 1]
    assert sum(version["stage"] == "Production" for version in versions) == 1
    if outcome["decision"] == "promoted":
        assert versions[0]["aliases"] == ["champion"] and versions[1]["aliases"] == ["previous"]
        assert versions[1]["stage"] == "Archived"
    else:
        assert versions[0]["aliases"] == ["challenger"] and versions[1]["aliases"] == ["champion"]
    events = [event["event"] for event in copied.json("history")["events"]]
    assert events[:3] == ["registered", "promoted", "registered"] and len(events) == 4
    # the same pair asked again gets the stored decision, not a second try
    again = copied.json("run")
    assert not again["changed"] and len(copied.json("history")["events"]) == 4
    assert copied.json("audit", "verify", "--all")["versions"] == [1, 2]


def test_when_always_takes_a_fresh_recorded_seed(copied: Shell) -> None:
    layout = Layout(copied.folder)
    assert copied.json("run", "--when", "always")["changed"]
    assert workspace.load(layout).config.seed == 1
    log = subprocess.run(["git", "show", "HEAD:params.yaml"], cwd=copied.folder, capture_output=True, text=True)
    assert "\nseed: 1\n" in log.stdout


def test_a_moved_workspace_still_serves_its_model(copied: Shell, trained: Shell, tmp_path: Path) -> None:
    copied("sample", "-n", "16", "--seed", "3", "-o", str(tmp_path / "moved.png"))
    trained("sample", "-n", "16", "--seed", "3", "-o", str(tmp_path / "there.png"))
    assert (tmp_path / "moved.png").read_bytes() == (tmp_path / "there.png").read_bytes()
    with closing(sqlite3.connect(copied.folder / ".ganops" / "mlflow" / "mlflow.db")) as database:
        rows = [row for row in database.iterdump() if str(trained.folder) in row]
    assert rows == []


def test_the_same_latents_give_the_same_image_everywhere(trained: Shell, tmp_path: Path) -> None:
    # in a process of its own: loading puts the model's own copy of ganops before this checkout's in sys.path
    code = (
        "import json, sys, mlflow\n"
        "model = mlflow.pyfunc.load_model('models:/generator@champion')\n"
        "rows = model.predict([{'n': 4, 'seed': 9}])\n"
        "json.dump({'png': list(rows['png']), 'ganops': sys.modules['ganops'].__file__}, open('answer.json', 'w'))\n"
    )
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{trained.folder}/.ganops/mlflow/mlflow.db",
    }
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=120)
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert Path(answer["ganops"]).is_relative_to(trained.folder / ".ganops" / "mlflow" / "artifacts")
    made = np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in answer["png"]])
    candidate = trained.json("status")["versions"][0]["candidate"]
    snapshot = load_snapshot(Layout(trained.folder).snapshot(candidate))
    (expected,) = generate(snapshot.generator, 4, seed=9)
    assert np.array_equal(made[:, None], expected.numpy())


def test_no_pickle_is_registered(trained: Shell) -> None:
    names = [path.name for path in (trained.folder / ".ganops" / "mlflow" / "artifacts").rglob("*") if path.is_file()]
    assert "generator.safetensors" in names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pth", ".pt", ".pt2"))]


def test_mlflow_serves_the_champion(trained: Shell) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{trained.folder}/.ganops/mlflow/mlflow.db",
        "PATH": f"{GANOPS.parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/generator@champion"]
    server = subprocess.Popen(
        [*command, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        body = json.dumps({"dataframe_records": [{"n": 3, "seed": 1}]}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        answer = _patiently(request)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    images = [Image.open(io.BytesIO(base64.b64decode(row["png"]))) for row in answer["predictions"]]
    assert len(images) == 3 and {image.size for image in images} == {(8, 8)}


def _patiently(request: urllib.request.Request) -> dict[str, list[dict[str, str]]]:
    for _ in range(240):
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return dict(json.load(response))
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise AssertionError("the server did not answer")


def test_the_page_and_the_contact_sheet_are_there(trained: Shell) -> None:
    page = (trained.folder / "reports" / "latest.html").read_text()
    assert "data:image/png;base64," in page and "Promoted" in page
    shown = trained.json("data", "show")
    assert shown["images"] == 1797 and len(shown["labels"]) == 10
    assert Image.open(shown["contact_sheet"]).size[0] > 200


def test_a_second_addition_appends_and_drops_duplicates(copied: Shell, tmp_path: Path) -> None:
    raw = copied.folder / "data" / "raw"
    before = {path.name: path.read_bytes() for path in raw.iterdir()}
    assert copied.json("data", "add", "digits")["taken"] == 0
    (tmp_path / "more").mkdir()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "more" / "one.png")
    report = copied.json("data", "add", str(tmp_path / "more"))
    assert (report["taken"], report["duplicates"]) == (1, 0)
    assert {name: (raw / name).read_bytes() for name in before} == before
    assert "data/raw" in copied.dvc("status")
