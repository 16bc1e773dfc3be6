from __future__ import annotations

import json
import math
import os
import resource
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from training_run import candidate_of, digest, plant, run, spec_of

from ganops import files as files_module
from ganops.errors import NoRoom, WorkspaceError
from ganops.files import sha256_bytes
from ganops.training.checkpoint import CheckpointStore
from ganops.training.state import Tensors, TrainingState, fresh_state, tensors_of

SHORT_KIMG = 0.16
"""Long enough for three checkpoints."""
LINE: dict[str, Any] = {
    **dict.fromkeys(("images_seen", "kimg", "total_kimg"), 0),
    **dict.fromkeys(("grad_norm_generator", "real_logit", "fake_logit", "fd", "diversity", "best_fd")),
    "not_finite": [],
}


def files(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.iterdir(), reverse=True)


def images_seen(path: Path) -> int:
    return int(path.name.split(".")[0].split("-")[1])


def state_of(recipe: str = "lite") -> TrainingState:
    candidate = candidate_of(recipe)
    return fresh_state(spec_of(candidate), candidate, 0, torch.device("cpu"), "float32", 8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A training that was never interrupted: its checkpoints, to be copied, and the digest of what it came to."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, digest(run(folder, kimg=SHORT_KIMG))


@pytest.fixture
def left(whole: tuple[Path, str], tmp_path: Path) -> Path:
    """The checkpoints that it left, in a folder of that name, which is their key."""
    folder = tmp_path / whole[0].name
    shutil.copytree(whole[0], folder)
    return folder


def test_a_truncated_checkpoint_is_passed_over_for_the_one_before(whole: tuple[Path, str], left: Path) -> None:
    newest, previous = files(left)
    newest.write_bytes(newest.read_bytes()[:-100])
    result = run(left, kimg=SHORT_KIMG)
    assert result.resumed_at == images_seen(previous)
    assert newest.name in result.notes[0] and "damaged" in result.notes[0]
    assert digest(result) == whole[1]


def test_a_sparse_checkpoint_without_end_is_passed_over_for_the_one_before(whole: tuple[Path, str], left: Path) -> None:
    newest, previous = files(left)
    os.truncate(newest, 10 * 2**40)
    result = run(left, kimg=SHORT_KIMG)
    assert result.resumed_at == images_seen(previous)
    assert newest.name in result.notes[0] and "damaged" in result.notes[0]
    assert digest(result) == whole[1]


def test_with_no_whole_checkpoint_it_starts_anew_and_says_so(whole: tuple[Path, str], left: Path) -> None:
    for path in left.iterdir():
        path.write_bytes(b"")
    result = run(left, kimg=SHORT_KIMG)
    assert result.resumed_at == 0
    assert sum("damaged" in note for note in result.notes) == 2
    assert digest(result) == whole[1]


def test_a_checkpoint_of_another_configuration_is_refused_by_name_and_digest(
    whole: tuple[Path, str], tmp_path: Path
) -> None:
    mine, other = tmp_path / ("a" * 32), tmp_path / ("b" * 32)
    mine.mkdir()
    run(other, kimg=SHORT_KIMG, generator_lr=1e-2)
    for path in files(other):
        path.rename(mine / path.name)
    newest = files(mine)[0]
    result = run(mine, kimg=SHORT_KIMG)
    assert result.resumed_at == 0
    assert newest.name in result.notes[0]
    assert "another configuration (digest bbbbbbbbbbbb, not aaaaaaaaaaaa)" in result.notes[0]
    assert digest(result) == whole[1]


def test_a_checkpoint_of_other_networks_or_threads_is_refused(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(state_of("lite"))
    (note,) = store.restore(state_of("dcgan"))
    assert "other networks" in note
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        (note,) = store.restore(state_of("lite"))
    finally:
        torch.set_num_threads(threads)
    assert f"threads {threads}, not {threads + 1}" in note


def made_elsewhere(path: Path, without: str = "", **facts: Any) -> None:
    """Change what the checkpoint says of its making."""
    with safe_open(path, framework="pt") as file:
        stored = json.loads(file.metadata()["state"])
    changed = {key: value for key, value in (stored | facts).items() if key != without}
    rewritten(path, json.dumps(changed), safetensors.torch.load_file(path))


def rewritten(path: Path, state: str, tensors: dict[str, torch.Tensor]) -> None:
    """Put other content in the checkpoint's place, under a name with the right digest."""
    content = safetensors.torch.save(tensors, {"state": state})
    path.unlink()
    path.with_name(f"{path.name.split('.')[0]}.{sha256_bytes(content)[:16]}.safetensors").write_bytes(content)


def test_a_training_that_changes_the_number_of_its_processes_says_so_for_good(tmp_path: Path) -> None:
    run(tmp_path, kimg=0.2)
    for path in files(tmp_path)[1:]:
        path.unlink()
    made_elsewhere(files(tmp_path)[0], processes=2)
    result = run(tmp_path)
    (move,) = [note for note in result.notes if "processes" in note]
    assert move.startswith("Trained by 2 processes until 200 images, by one process from there")
    assert (result.resumed_at, result.images_seen) == (200, 400)


def test_a_training_that_changes_its_device_goes_on_and_says_so_for_good(tmp_path: Path) -> None:
    run(tmp_path, kimg=0.2)
    for path in files(tmp_path)[1:]:
        path.unlink()
    made_elsewhere(files(tmp_path)[0], device="cuda", precision="bfloat16")
    result = run(tmp_path)
    (move,) = [note for note in result.notes if "cuda" in note]
    assert "on cuda in bfloat16 until 200 images, on cpu in float32 from there: not bit-identical" in move
    assert (result.resumed_at, result.images_seen, result.precision) == (200, 400, "float32")
    state = state_of("dcgan")
    assert CheckpointStore(tmp_path).restore(state) == [move]  # of a checkpoint that was made here


def test_a_checkpoint_from_before_moves_were_kept_is_read(tmp_path: Path) -> None:
    CheckpointStore(tmp_path).save(state_of())
    made_elsewhere(files(tmp_path)[0], without="moves")
    assert CheckpointStore(tmp_path).restore(state_of()) == []


@pytest.mark.parametrize("recipe", ["lite", "sgd", "spectral", "everything"])
def test_everything_comes_back_in_the_strides_of_the_weights(tmp_path: Path, recipe: str) -> None:
    run(tmp_path, recipe, kimg=0.1)
    state = state_of(recipe)
    fresh = {name: tensor.clone() for name, tensor in tensors_of(state).items()}
    assert CheckpointStore(tmp_path).restore(state) == []
    for name, tensor in tensors_of(state).items():
        assert tensor.stride() == fresh[name].stride(), name
    moved = [name for name, tensor in tensors_of(state).items() if not torch.equal(tensor, fresh[name])]
    assert {name.split("/")[0] for name in moved} >= {"generator", "generator_optimizer", "discriminator_optimizer"}


def test_the_newest_are_kept_by_number_and_by_size(tmp_path: Path) -> None:
    state = state_of()
    for keep, megabytes, left in ((3, 1e3, [400, 300, 200]), (9, 1e-9, [400])):
        folder = tmp_path / str(keep)
        store = CheckpointStore(folder, keep, megabytes)
        for seen in (100, 200, 300, 400):
            state.images_seen = seen
            store.save(state)
        assert [images_seen(path) for path in files(folder)] == left
    size = files(tmp_path / "9")[0].stat().st_size / 1e6
    store = CheckpointStore(tmp_path / "two", 9, 2.5 * size)
    for seen in (100, 200, 300):
        state.images_seen = seen
        store.save(state)
    assert [images_seen(path) for path in files(tmp_path / "two")] == [300, 200]


def test_a_checkpoint_after_a_rollback_is_newer_than_those_before(tmp_path: Path) -> None:
    store, state = CheckpointStore(tmp_path), state_of()
    state.images_seen = 400
    store.save(state)
    state.images_seen, state.lines = 300, [LINE | {"event": "rollback"}]
    store.save(state)
    restored = state_of()
    store.restore(restored)
    assert restored.images_seen == 300


def test_a_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkspaceError, match=r"could not be written .*\. There is none yet: make room .* run again\."):
        run(tmp_path / "file" / "below")


def test_a_full_disk_leaves_the_old_one_whole(tmp_path: Path) -> None:
    """While no file may grow beyond half a checkpoint, as on a disk that is full."""
    folder = tmp_path / "one"
    store, state = CheckpointStore(folder), state_of()
    store.save(state)
    (before,) = files(folder)
    content = before.read_bytes()
    state.images_seen = 100
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, limits[1]))
    try:
        with pytest.raises(NoRoom, match=r"could not be written.*The last, of 0 images, is kept: make.*to resume\."):
            store.save(state)
        with pytest.raises(NoRoom, match=r"There is none yet"):
            CheckpointStore(tmp_path / "another").save(state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(folder) == [before]
    assert before.read_bytes() == content
    restored = state_of()
    assert CheckpointStore(folder).restore(restored) == []


# ---------------------------------------------------------------- made up, or no files at all

STEPS = range(0, 401, 8)
KEYS = (
    *("key", "format", "memory_format", "threads", "device", "precision", "micro_batch", "images_seen", "seconds"),
    *("evaluation_seconds", "best_score", "best_images_seen", "lines"),
)


def assert_passed_over(folder: Path, state: TrainingState) -> None:
    """With a sentence that names it, and nothing has been taken of it."""
    (path,) = files(folder)
    before = {name: tensor.clone() for name, tensor in tensors_of(state).items()}
    (note,) = CheckpointStore(folder).restore(state, STEPS)
    assert path.name in note and "passed over" in note
    assert (state.images_seen, state.lines, state.precision) == (0, [], "float32")
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors_of(state).items())


@pytest.mark.parametrize("key", KEYS)
def test_a_checkpoint_that_lacks_a_fact_is_passed_over(tmp_path: Path, key: str) -> None:
    CheckpointStore(tmp_path).save(state_of())
    made_elsewhere(files(tmp_path)[0], without=key)
    assert_passed_over(tmp_path, state_of())


@pytest.mark.parametrize(
    "facts",
    [
        {"images_seen": "8"},
        {"images_seen": -8},
        {"images_seen": 9},
        {"images_seen": 10**12},
        {"images_seen": 10**30},
        {"precision": "float8"},
        {"micro_batch": 0},
        {"seconds": "long"},
        {"key": None},
        {"format": [2]},
        {"lines": {}},
        {"lines": [1]},
        {"lines": [{}]},
        {"lines": [LINE | {"not_finite": 3}]},
        {"moves": [1]},
        {"best_images_seen": 8},
        {"best_score": -1e300},
        {"best_score": 1e300},
        {"best_score": 1.0},
    ],
)
def test_a_checkpoint_with_an_impossible_fact_is_passed_over(tmp_path: Path, facts: dict[str, Any]) -> None:
    CheckpointStore(tmp_path).save(state_of())
    made_elsewhere(files(tmp_path)[0], **facts)
    assert_passed_over(tmp_path, state_of())


def spoilt(tensors: Tensors, prefix: str, value: float = math.nan) -> Tensors:
    """The same with one number of the first floating-point tensor of that prefix replaced."""
    name = next(name for name in tensors if name.startswith(prefix) and tensors[name].is_floating_point())
    tensors[name].view(-1)[0] = value
    return tensors


def without_best(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("best/")}


@pytest.mark.parametrize(
    "facts",
    [
        {"best_score": -1.0},
        {"best_score": 1e300},
        {"best_score": None, "best_images_seen": 0},
        {"best_images_seen": 104},
        {"best_images_seen": 10**6},
    ],
)
def test_a_best_that_the_lines_do_not_have_is_passed_over_for_the_checkpoint_before(
    whole: tuple[Path, str], left: Path, facts: dict[str, Any]
) -> None:
    newest, previous = files(left)
    made_elsewhere(newest, **facts)
    assert_gone_on_from(previous, left, whole[1])


@pytest.mark.parametrize(
    "change",
    [
        without_best,
        partial(spoilt, prefix="best/"),
        partial(spoilt, prefix="generator/"),
        partial(spoilt, prefix="generator_ema/", value=math.inf),
        partial(spoilt, prefix="discriminator/", value=-math.inf),
        partial(spoilt, prefix="generator_optimizer/"),
        partial(spoilt, prefix="discriminator_optimizer/"),
    ],
)
def test_a_poisoned_checkpoint_is_passed_over_for_the_one_before(
    whole: tuple[Path, str], left: Path, change: Callable[[Tensors], Tensors]
) -> None:
    newest, previous = files(left)
    poisoned(newest, change)
    assert_gone_on_from(previous, left, whole[1])


def poisoned(path: Path, change: Callable[[Tensors], Tensors]) -> None:
    """Under a name with the right digest."""
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()["state"]
    rewritten(path, facts, change(safetensors.torch.load_file(path)))


def assert_gone_on_from(path: Path, folder: Path, sha256: str) -> None:
    """The newest is named and passed over for `path`, and the training ends as if it had never been."""
    newest = files(folder)[0]
    result = run(folder, kimg=SHORT_KIMG)
    assert newest.name in result.notes[0] and "passed over" in result.notes[0]
    assert result.resumed_at == images_seen(path)
    assert digest(result) == sha256


def test_a_rollback_goes_behind_a_poisoned_checkpoint_and_no_copy_of_it_displaces_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Poisoned while the training runs, which then needs it."""
    done: list[int] = []

    def fault(state: TrainingState) -> None:
        if state.images_seen >= 160 and not done:
            newest, previous = files(tmp_path)
            poisoned(newest, partial(spoilt, prefix="generator/"))
            done.append(images_seen(previous))
            with torch.no_grad():
                next(state.discriminator.parameters()).fill_(math.nan)

    plant(monkeypatch, fault)
    result = run(tmp_path, "lite")
    (back,) = [note for note in result.notes if "went back to" in note]
    assert f"went back to {done[0]} images" in back
    assert sum("generator/" in note and "not finite" in note for note in result.notes) == 1
    assert (result.images_seen, result.stopped) == (400, None)


def test_a_state_that_is_not_finite_is_not_stored(tmp_path: Path) -> None:
    store, state = CheckpointStore(tmp_path, keep=1), state_of()
    store.save(state)
    whole = files(tmp_path)
    state.images_seen = 8
    spoilt(tensors_of(state), "discriminator_optimizer/", math.inf)
    store.save(state)
    assert files(tmp_path) == whole


@pytest.mark.parametrize("state", ["", "[]", "3", '["images_seen"]', "[" * 100_000])
def test_a_checkpoint_whose_facts_are_none_is_passed_over(tmp_path: Path, state: str) -> None:
    CheckpointStore(tmp_path).save(state_of())
    path = files(tmp_path)[0]
    rewritten(path, state, safetensors.torch.load_file(path))
    assert_passed_over(tmp_path, state_of())


@pytest.mark.parametrize(
    "tensors",
    [{"best/foreign": torch.zeros(2)}, {"generator/layers.0.weight": torch.zeros(1)}, {"foreign": torch.zeros(2)}],
)
def test_a_checkpoint_with_foreign_tensors_is_passed_over(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    CheckpointStore(tmp_path).save(state_of())
    path = files(tmp_path)[0]
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()["state"]
    rewritten(path, facts, safetensors.torch.load_file(path) | tensors)
    assert_passed_over(tmp_path, state_of())


@pytest.mark.parametrize(
    "put",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
    ],
)
def test_what_is_no_regular_file_is_left_alone_and_named(
    whole: tuple[Path, str], left: Path, put: Callable[[Path], None]
) -> None:
    strange = left / f"99-{'9' * 12}.{'0' * 16}.safetensors"
    put(strange)
    result = run(left, kimg=SHORT_KIMG)
    assert result.resumed_at > 0 and digest(result) == whole[1]
    assert any(strange.name in note and "left alone" in note for note in result.notes)
    state, store = state_of("dcgan"), CheckpointStore(left)
    store.save(state)
    assert store.resume_at() == result.resumed_at
    store.clear()
    assert [path.name for path in left.iterdir()] == [strange.name]


def test_what_a_killed_process_was_writing_is_removed_and_foreign_files_are_not(tmp_path: Path) -> None:
    mine, other = tmp_path / ("a" * 32), tmp_path / ("b" * 32)
    unfinished = f".00-{8:012d}.{'0' * 16}.safetensors.k_3x9zq1"
    for folder in (mine, other):
        CheckpointStore(folder).save(state_of())
        (folder / unfinished).touch()
    foreign = [mine / name for name in (".notes", "notes.txt", f"00-{8:012d}.{'F' * 16}.safetensors")]
    foreign.append(other / f"{unfinished}.mine")
    for path in foreign:
        path.touch()
    store = CheckpointStore(mine)
    kept = {path for folder in (mine, other) for path in folder.iterdir() if path.name != unfinished}
    store.tidy()
    assert {path for folder in (mine, other) for path in folder.iterdir()} == kept
    said = [note for note in store.restore(state_of()) if "not the name of a checkpoint: it was left alone" in note]
    assert len(said) == 1 and str(foreign[2]) in said[0]
    store.clear()
    assert {path for folder in (mine, other) for path in folder.iterdir()} == {*foreign}


def test_the_name_of_what_is_being_written_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `write_bytes` has it when it is killed."""
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
    monkeypatch.setattr(files_module.os, "fsync", full)
    store = CheckpointStore(tmp_path)
    with pytest.raises(NoRoom):
        store.save(state_of())
    monkeypatch.undo()
    assert len(files(tmp_path)) == 1
    store.tidy()
    assert files(tmp_path) == []


def full(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_checkpoint_that_cannot_be_forgotten_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    store, state = CheckpointStore(tmp_path, keep=1), state_of()
    monkeypatch.setattr(Path, "unlink", kept)
    for seen in (8, 16):
        state.images_seen = seen
        store.save(state)
    assert store.resume_at() == 16


def test_other_configurations_are_named_when_it_begins_and_forgotten_when_it_is_done(tmp_path: Path) -> None:
    mine, other, neighbour = tmp_path / ("a" * 32), tmp_path / ("b" * 32), tmp_path / "notes"
    neighbour.mkdir()
    (neighbour / "mine.txt").touch()
    for folder in (other, neighbour):
        CheckpointStore(folder).save(state_of())
    store, (left,) = CheckpointStore(mine), files(other)
    (note,) = store.restore(state_of())
    assert str(left) in note and "another configuration (digest bbbbbbbbbbbb, not aaaaaaaaaaaa)" in note
    store.save(state_of())
    assert left.exists()  # for who takes the change back
    store.clear()
    assert list(tmp_path.iterdir()) == [neighbour] and len(files(neighbour)) == 2
