"""Each mistake is one paragraph with exit code 2 or 3; nothing is half-written, nothing promoted."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from user_shell import GANOPS, Shell

from ganops import workspace
from ganops.data.prepared import load, write_dataset
from ganops.layout import Layout
from ganops.models import load_snapshot

pytestmark = pytest.mark.slow


def refused(shell: Shell, *arguments: str, code: int, **environment: str) -> str:
    """The one paragraph that the command ended with."""
    result = shell(*arguments, expect=code, **environment)
    paragraphs = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(paragraphs) == 1, result.stderr
    return paragraphs[0].removeprefix("error: ")


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(stream, format="PNG")
    return stream.getvalue()


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def texts(folder: Path) -> Path:
    (folder / "texts").mkdir()
    for name in ("a.txt", "b.csv"):
        (folder / "texts" / name).write_text("no image")
    return folder / "texts"


def unreadable(folder: Path) -> Path:
    (folder / "broken.png").write_bytes(png()[:40])
    return folder / "broken.png"


def idx(folder: Path, images: bytes, labels: bytes) -> Path:
    (folder / "idx").mkdir()
    (folder / "idx" / "train-images-idx3-ubyte.gz").write_bytes(images)
    (folder / "idx" / "train-labels-idx1-ubyte.gz").write_bytes(labels)
    return folder / "idx"


IMAGES = gzip.compress(struct.pack(">IIII", 2051, 4, 8, 8) + bytes(range(256)))
LABELS = gzip.compress(struct.pack(">II", 2049, 4) + bytes(4))
FEWER = gzip.compress(struct.pack(">II", 2049, 3) + bytes(3))


def climbing_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "climbing.zip", "w") as archive:
        archive.writestr("../outside.png", png())
    return folder / "climbing.zip"


def climbing_tar(folder: Path) -> Path:
    with tarfile.open(folder / "climbing.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("a/../../outside.png")
        member.size = len(png())
        archive.addfile(member, io.BytesIO(png()))
    return folder / "climbing.tar.gz"


def idx_of_a_pipe(folder: Path) -> Path:
    idx(folder, IMAGES, LABELS)
    (folder / "idx" / "train-images-idx3-ubyte.gz").unlink()
    os.mkfifo(folder / "idx" / "train-images-idx3-ubyte.gz")
    return folder / "idx"


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (empty_folder, 3, "is empty"),
        (texts, 3, "a.txt"),
        (unreadable, 3, "broken.png"),
        (lambda folder: idx(folder, IMAGES[:-20], LABELS), 3, "train-images-idx3-ubyte.gz"),
        (lambda folder: idx(folder, IMAGES, FEWER), 3, "4 images"),
        (idx_of_a_pipe, 3, "a named pipe"),
        (climbing_zip, 3, "../outside.png"),
        (climbing_tar, 3, "outside.png"),
        (lambda folder: folder / "nothing-here", 2, "nothing-here"),
    ],
)
def test_a_bad_source_is_refused_and_nothing_is_written(
    new_workspace: Shell, tmp_path: Path, make: Callable[[Path], Path], code: int, said: str
) -> None:
    assert said in refused(new_workspace, "data", "add", str(make(tmp_path)), code=code)
    assert not list((new_workspace.folder / "data").glob("raw*"))
    assert not (tmp_path / "outside.png").exists() and not (tmp_path.parent / "outside.png").exists()


def test_a_bad_image_among_good_ones_is_named_and_left_out(new_workspace: Shell, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "good.png").write_bytes(png())
    (tmp_path / "images" / "bad.png").write_bytes(png()[:40])
    output = new_workspace("data", "add", str(tmp_path / "images")).stdout
    assert "Took 1 images" in output and "refused bad.png" in output


def test_a_misspelt_key_and_an_impossible_value(new_workspace: Shell) -> None:
    params = new_workspace.folder / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("batch_size: 64", "batchsize: 64"))
    said = refused(new_workspace, "run", code=2)
    assert "unknown key 'train.batchsize', did you mean 'batch_size'?" in said
    params.write_text(text.replace("batch_size: 64", "batch_size: -1"))
    said = refused(new_workspace, "status", code=2)
    assert "'train.batch_size' is -1" in said and "greater than or equal to 1" in said


def test_an_unknown_candidate(new_workspace: Shell) -> None:
    assert "Candidates: dcgan, lite" in refused(new_workspace, "train", "stylegan", code=2)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("family: lite", "family: lit", "did you mean 'lite'?"),
        ("objective: relativistic", "objective: hing", "did you mean 'hinge'?"),
        (
            "gamma: 1.0",
            "gamma: -1.0",
            "'candidates.lite.gamma' is -1.0, but input should be greater than or equal to 0",
        ),
        ("device: auto", "device: tpu", "'train.device' is 'tpu', but must be auto, cpu, cuda"),
    ],
)
def test_a_candidate_that_cannot_be(new_workspace: Shell, right: str, wrong: str, said: str) -> None:
    params = new_workspace.folder / "params.yaml"
    params.write_text(params.read_text().replace(right, wrong))
    assert said in refused(new_workspace, "train", "lite", code=2)


def test_what_a_candidate_cannot_do_is_refused_and_its_snapshot_stays(copied: Shell) -> None:
    layout = Layout(copied.folder)
    params, labels = layout.params.read_text(), np.load(layout.prepared / "train" / "labels.npy")
    before = {name: load_snapshot(layout.snapshot(name)).sha256 for name in ("dcgan", "lite")}

    def train(name: str, **edits: object) -> str:
        layout.params.write_text(params)
        workspace.edit_params(layout, {key.replace("__", "."): value for key, value in edits.items()})
        return refused(copied, "train", name, code=2)

    assert "is 5000, but the train split has only" in train("lite", train__batch_size=5000)
    assert "is 1, but candidate 'dcgan' has batch norm" in train("dcgan", train__batch_size=1)
    assert "'cuda:99', but torch sees" in train("lite", train__device="cuda:99")
    dataset = load(layout.prepared)

    def change(name: str, content: object, image_shape: tuple[int, int, int] = dataset.image_shape) -> None:
        """As if it had been prepared so."""
        np.save(layout.prepared / "train" / name, content)
        facts = (dataset.classes, dataset.counts, dataset.split_config, dataset.preprocessing)
        write_dataset(layout.prepared, image_shape, *facts)

    change("labels.npy", np.full_like(labels, -1))
    assert "have no label. Set conditional: false" in train("lite", candidates__lite__conditional=True)
    change("labels.npy", labels)
    change("images.npy", np.zeros((len(labels), 1, 200, 200), np.uint8), (1, 200, 200))
    unable = {"candidates__lite__family": "dense_dcgan", "candidates__lite__gamma": 0.0}
    assert "cannot make 1-channel images of 200x200: it does" in train("lite", **unable)
    assert {name: load_snapshot(layout.snapshot(name)).sha256 for name in before} == before


def test_a_checkpoint_that_cannot_be_gone_on_with_is_passed_over_and_named(copied: Shell) -> None:
    layout = Layout(copied.folder)

    def interrupted(kimg: int) -> list[Path]:
        """The checkpoints of a training of that length, oldest first, which was killed after two of them."""
        shutil.rmtree(layout.checkpoints, ignore_errors=True)
        edits = {"candidates.lite.kimg": kimg, "train.checkpoint_every_kimg": 0.5, "train.evaluate_every_kimg": 4}
        workspace.edit_params(layout, edits)
        with subprocess.Popen([str(GANOPS), "train", "lite"], cwd=layout.root, stderr=subprocess.DEVNULL) as process:
            while len(list(layout.checkpoints.glob("*/*/*.safetensors"))) < 2:
                assert process.poll() is None
                time.sleep(0.02)
            process.kill()
        return sorted(layout.checkpoints.glob("*/*/*.safetensors"))

    elsewhere = [(path.name, path.read_bytes()) for path in interrupted(kimg=200)]
    *_, whole, newest = interrupted(kimg=4)
    newest.write_bytes(newest.read_bytes()[:-100])
    said = copied("train", "lite")
    assert f"{newest} is damaged (changed or cut short) and was passed over" in said.stdout
    assert f"resumed at {int(whole.name.split('.')[0][3:]) / 1000:g} kimg" in said.stderr

    key = newest.parent
    key.mkdir(parents=True)
    for name, content in elsewhere:
        (key / name).write_bytes(content)
    said = copied("train", "lite")
    assert said.stdout.count(f"not {key.name[:12]})") == len(elsewhere) and "started anew" in said.stderr


def test_a_class_of_a_model_without_classes(trained: Shell, tmp_path: Path) -> None:
    said = refused(trained, "sample", "--label", "3", "-o", str(tmp_path / "grid.png"), code=2)
    assert "trained without classes" in said and not (tmp_path / "grid.png").exists()


def test_no_data_yet(new_workspace: Shell) -> None:
    assert "ganops data add" in refused(new_workspace, "run", code=2)


def test_no_workspace(tmp_path: Path) -> None:
    assert "ganops init" in refused(Shell(tmp_path), "run", code=2)


def test_too_few_images_stop_the_flow_with_the_rule_and_the_count(new_workspace: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(30):
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    new_workspace("data", "add", str(folder))
    said = refused(new_workspace, "run", code=3)
    assert "image_count" in said and "30" in said
    workspace.edit_params(Layout(new_workspace.folder), {"validation.image_count.min": 10})
    said = refused(new_workspace, "run", code=3)
    assert "split" in said
    assert new_workspace.json("status")["versions"] == []


def test_a_classifier_of_unlabelled_images_says_what_to_configure(new_workspace: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "flat"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(900):
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    new_workspace("data", "add", str(folder))
    workspace.edit_params(Layout(new_workspace.folder), {"reference.extractor": "classifier"})
    assert "reference.extractor" in refused(new_workspace, "run", code=2)


def test_an_offending_image_is_named(new_workspace: Shell, tmp_path: Path) -> None:
    new_workspace("data", "add", "digits")
    (tmp_path / "flat").mkdir()
    Image.new("L", (8, 8), 127).save(tmp_path / "flat" / "all-grey.png")
    new_workspace("data", "add", str(tmp_path / "flat"))
    said = refused(new_workspace, "run", code=3)
    assert "not_constant" in said and "all-grey.png" in said


def test_a_read_only_workspace(new_workspace: Shell) -> None:
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(GANOPS), "data", "add", "digits"]
        for folder in (new_workspace.folder, *new_workspace.folder.parents):
            if folder.owner() == "root" and str(folder).startswith("/tmp/pytest"):
                folder.chmod(0o755)
        result = subprocess.run(command, cwd=new_workspace.folder, capture_output=True, text=True)
        if "Permission denied" in result.stderr and "ganops" in result.stderr.split(":")[0]:
            pytest.skip("another user may not read this Python installation, so cannot try")
    else:
        new_workspace.folder.chmod(0o555)
        (new_workspace.folder / ".ganops").chmod(0o555)
        result = subprocess.run(
            [str(GANOPS), "data", "add", "digits"], cwd=new_workspace.folder, capture_output=True, text=True
        )
        new_workspace.folder.chmod(0o755)
        (new_workspace.folder / ".ganops").chmod(0o755)
    assert result.returncode == 2, result.stderr
    assert "cannot be written" in result.stderr and "Traceback" not in result.stderr


def test_no_git(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    said = refused(Shell(tmp_path), "init", "mine", code=2, PATH=str(tmp_path / "bin"))
    assert "git" in said
    assert not (tmp_path / "mine").exists(), "a workspace that could not be made is not left half-made"


def test_a_running_flow_keeps_others_out(new_workspace: Shell) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ganops import workspace; from ganops.layout import Layout\n"
        "with workspace.exclusive(Layout(Path(sys.argv[1])), 'ganops run'):\n"
        "    print('held', flush=True); time.sleep(120)"
    )
    command = [sys.executable, "-c", code, str(new_workspace.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            for arguments in (("run",), ("data", "add", "digits"), ("validate",)):
                assert f"in use by `ganops run` (process {holder.pid})" in refused(new_workspace, *arguments, code=2)
        finally:
            holder.kill()


def test_a_stage_of_the_pipeline_works_while_its_run_holds_the_workspace(new_workspace: Shell) -> None:
    with workspace.exclusive(Layout(new_workspace.folder), "ganops run"):
        said = refused(new_workspace, "validate", code=2)
        assert "in use by `ganops run`" in said
        result = new_workspace("validate", expect=2, GANOPS_IN_PIPELINE="1")
        assert "in use" not in result.stderr and "no images" in result.stderr.lower()


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (("--cron", "0 0 30 2 *"), {}, 2, "never comes"),
        (
            (),
            {"PREFECT_API_URL": "http://me:secret@127.0.0.1:9/api"},
            1,
            "http://127.0.0.1:9/api, which PREFECT_API_URL",
        ),
    ],
)
def test_a_schedule_that_cannot_be_served_is_refused_before_anything_is_started(
    new_workspace: Shell, arguments: tuple[str, ...], environment: dict[str, str], code: int, said: str
) -> None:
    assert said in refused(new_workspace, "schedule", *arguments, code=code, **environment)
    assert not (new_workspace.folder / ".ganops" / "prefect-server.log").exists()


def test_what_a_full_disk_leaves_of_the_lock_file_is_refused_before_anything_is_started(new_workspace: Shell) -> None:
    (new_workspace.folder / "dvc.lock").touch()
    assert "dvc.lock is damaged" in refused(new_workspace, "run", code=2)


@pytest.mark.parametrize("way", ["kill -9", "Ctrl-C"])
def test_a_run_that_is_ended_leaves_nothing_at_work_and_is_taken_up(new_workspace: Shell, way: str) -> None:
    new_workspace("data", "add", "digits")
    workspace.edit_params(Layout(new_workspace.folder), {"candidates.lite.kimg": 400})
    process = subprocess.Popen(
        [str(GANOPS), "run"],
        cwd=new_workspace.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    stats = Layout(new_workspace.folder).train_dir("lite") / "stats.jsonl"
    for _ in range(600):
        if stats.exists() and stats.stat().st_size:
            break
        assert process.poll() is None
        time.sleep(0.2)
    if way == "Ctrl-C":  # a terminal sends it to the whole group
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.kill()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "stopped: " in said) == ((130, True) if way == "Ctrl-C" else (-9, False)), said
    for _ in range(200):
        if not _working_in(new_workspace.folder):
            break
        time.sleep(0.1)
    assert not _working_in(new_workspace.folder)
    assert new_workspace.json("status")["versions"] == []
    workspace.edit_params(Layout(new_workspace.folder), {"candidates.lite.kimg": 12})
    assert new_workspace.json("run")["decision"] in ("promoted", "kept-champion")


def _working_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder and (command := (process / "cmdline").read_bytes()):
                found.append(command.replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [command for command in found if "ganops" in command or "dvc" in command]
