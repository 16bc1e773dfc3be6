"""Real MLflow on SQLite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from ganops.adapters.mlflow_registry import MlflowRegistry
from ganops.adapters.mlflow_store import MlflowStore, open_store
from ganops.adapters.mlflow_tracker import SNAPSHOT_TAG, MlflowTracker
from ganops.errors import DamagedFile, RegistryError, TrackingError
from ganops.layout import Layout
from ganops.models import ModelSpec, build_generator, load_snapshot, save_snapshot
from ganops.stages.standing import put, settle
from ganops.stages.tags import Standing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated store: migrating takes seconds, so it is done once and copied."""
    folder = tmp_path_factory.mktemp("store")
    open_store(Layout(folder), "generator", {})
    return folder


@pytest.fixture
def store(fresh: Path, tmp_path: Path) -> MlflowStore:
    shutil.copytree(fresh, tmp_path / "workspace")
    return open_store(Layout(tmp_path / "workspace"), "generator", {})


def snapshot(folder: Path, seed: int) -> tuple[Path, str]:
    spec = ModelSpec("lite", (1, 8, 8), 4, 4)
    saved = save_snapshot(folder / f"snapshot-{seed}", build_generator(spec, seed), spec, {"seed": seed})
    return folder / f"snapshot-{seed}", saved.sha256


def registered(store: MlflowStore, folder: Path, seed: int) -> MlflowRegistry:
    tracker, registry = MlflowTracker(store), MlflowRegistry(store, "generator")
    path, digest = snapshot(folder, seed)
    run = tracker.start("lite", None, {"seed": seed}, {SNAPSHOT_TAG: digest})
    registry.register(path, digest, run, {"ganops.fd": str(seed)})
    return registry


def test_versions_stages_and_aliases_move_together(store: MlflowStore, tmp_path: Path) -> None:
    registry = registered(store, tmp_path, 1)
    (first,) = registry.versions()
    assert (first.version, first.stage, first.aliases) == (1, "None", ())
    settle(registry, Standing(challenger=1))
    (first,) = registry.versions()
    assert (first.stage, first.aliases) == ("Staging", ("challenger",))
    put(registry, Standing(champion=1), leaving=None)
    (first,) = registry.versions()
    assert (first.stage, first.aliases) == ("Production", ("champion",))

    registered(store, tmp_path, 2)
    settle(registry, Standing(champion=1, challenger=2))
    second, first = registry.versions()
    assert second.aliases == ("challenger",) and first.aliases == ("champion",)
    for _ in range(2):  # every step may be done twice
        put(registry, Standing(champion=2, previous=1), leaving=1)
        second, first = registry.versions()
        assert (second.stage, second.aliases) == ("Production", ("champion",))
        assert (first.stage, first.aliases) == ("Archived", ("previous",))
    put(registry, Standing(challenger=1), leaving=2)
    second, first = registry.versions()
    assert (second.stage, second.aliases, first.stage) == ("Archived", (), "Staging")


def test_production_changes_hands_in_one_step(store: MlflowStore, tmp_path: Path) -> None:
    registered(store, tmp_path, 1)
    registry = registered(store, tmp_path, 2)
    registry.move(1, "Production")
    registry.move(2, "Production")
    assert [version.stage for version in registry.versions()] == ["Production", "Archived"]


def test_a_passed_over_challenger_is_archived(store: MlflowStore, tmp_path: Path) -> None:
    registry = registered(store, tmp_path, 1)
    settle(registry, Standing(challenger=1))
    registered(store, tmp_path, 2)
    settle(registry, Standing(challenger=2))
    second, first = registry.versions()
    assert (second.stage, first.stage) == ("Staging", "Archived") and first.aliases == ()
    assert settle(registry, Standing(challenger=2)) == ()


def test_the_model_itself_is_tagged(store: MlflowStore, tmp_path: Path) -> None:
    registry = MlflowRegistry(store, "generator")
    assert registry.model_tags() == {}
    registered(store, tmp_path, 1)
    registry.tag_model({"ganops.owner": "me", "ganops.lock": "file"})
    registry.tag_model({"ganops.lock": "postgresql:1/x"})
    assert dict(registry.model_tags()) == {"ganops.owner": "me", "ganops.lock": "postgresql:1/x"}


def test_a_version_comes_back_as_it_was_registered(store: MlflowStore, tmp_path: Path) -> None:
    registry = registered(store, tmp_path, 1)
    (version,) = registry.versions()
    assert load_snapshot(registry.download(version, tmp_path / "down")).sha256 == version.snapshot_sha256


@pytest.mark.parametrize("odd", ["link", "pipe", "gone"])
def test_a_file_of_a_version_that_cannot_be_fetched_is_named(store: MlflowStore, tmp_path: Path, odd: str) -> None:
    registry = registered(store, tmp_path, 0)
    (version,) = registry.versions()
    assert version.run is not None and store.folder is not None
    file = store.folder / "artifacts" / version.run / "artifacts" / "model" / "requirements.txt"
    if odd == "gone":
        shutil.rmtree(file.parent)
    elif odd == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file.unlink()
        os.mkfifo(file)
    said = {"link": "requirements.txt is a link", "pipe": "requirements.txt is no plain file", "gone": "is gone"}[odd]
    with pytest.raises(RegistryError, match=rf"where MLflow keeps version 1, {said}"):
        registry.download_model(version, tmp_path / "fetched")


def test_a_run_is_found_by_its_snapshot(store: MlflowStore) -> None:
    tracker = MlflowTracker(store)
    parent = tracker.start("flow", None, {}, {})
    run = tracker.start("lite", parent, {"gamma": 0.3}, {})
    assert tracker.find("ab" * 32) is None
    tracker.tag(run, {SNAPSHOT_TAG: "ab" * 32})
    assert tracker.find("ab" * 32) == run
    tracker.metrics(run, {"fd": 3.5, "broken": float("nan"), "infinite": float("inf")}, step=100)
    tracker.dataset(run, "train", "cd" * 32, "data/raw.dvc#123")
    tracker.end(run, succeeded=True)
    kept = store.client().get_run(run)
    assert kept.data.metrics == {"fd": 3.5} and kept.info.status == "FINISHED"
    assert kept.inputs.dataset_inputs[0].dataset.digest == ("cd" * 32)[:36]


def test_a_moved_store_finds_its_artifacts(store: MlflowStore, tmp_path: Path) -> None:
    registered(store, tmp_path, 1)
    shutil.move(tmp_path / "workspace", tmp_path / "elsewhere")
    registry = MlflowRegistry(open_store(Layout(tmp_path / "elsewhere"), "generator", {}), "generator")
    (version,) = registry.versions()
    assert load_snapshot(registry.download(version, tmp_path / "down")).sha256 == version.snapshot_sha256
    registered(registry.store, tmp_path, 2)
    assert not (tmp_path / "workspace").exists(), "something was written to where the store used to be"


def test_first_users_at_once_do_not_fail_in_migration(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ganops.adapters.mlflow_store import open_store\n"
        "from ganops.layout import Layout\n"
        "open_store(Layout(Path(sys.argv[1])), 'generator', {}).client().search_experiments()"
    )
    users = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [user.wait() for user in users] == [0, 0, 0]


def half_made(folder: Path) -> bool:
    try:
        return sum(path.stat().st_size for path in folder.glob("*mlflow.db*")) >= 100_000
    except FileNotFoundError:  # SQLite's own journal comes and goes
        return False


def test_one_that_is_killed_while_it_makes_the_database_leaves_none(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ganops.adapters.mlflow_store import open_store\n"
        "from ganops.layout import Layout\n"
        "open_store(Layout(Path(sys.argv[1])), 'generator', {})"
    )
    layout = Layout(tmp_path)
    folder = layout.state / "mlflow"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as maker:
        while not half_made(folder):
            assert maker.poll() is None
            time.sleep(0.005)
        maker.kill()
    half = next(path.read_bytes() for path in folder.glob(".mlflow.db.new"))
    assert not (folder / "mlflow.db").exists()
    assert MlflowRegistry(open_store(layout, "generator", {}), "generator").versions() == ()
    assert not list(folder.glob(".mlflow.db*"))

    (folder / "mlflow.db").write_bytes(half)  # as an MLflow server leaves it that is killed
    with pytest.raises(DamagedFile, match=r"mlflow.db, MLflow's database, is half-made.*delete the file"):
        open_store(layout, "generator", {})


def test_an_error_of_the_database_is_told_without_its_sql() -> None:
    store = MlflowStore("sqlite://", "generator", None)
    with (
        pytest.raises(RegistryError, match=r"failed while looking: .* no such table: nowhere\. Nothing was") as raised,
        store.translated(RegistryError, "looking"),
        create_engine(store.uri).connect() as connection,
    ):
        connection.execute(text("SELECT 1 FROM nowhere"))
    assert "SELECT" not in str(raised.value)


@pytest.mark.parametrize("content", [b"garbage", b"SQLite format 3\0" + 4096 * b"x"])
def test_a_damaged_database_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    layout = Layout(tmp_path)
    (layout.state / "mlflow").mkdir(parents=True)
    (layout.state / "mlflow" / "mlflow.db").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"mlflow.db, MLflow's database, cannot be read .*Restore it"):
        open_store(layout, "generator", {})


def test_an_empty_database_is_migrated_like_a_new_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    (layout.state / "mlflow").mkdir(parents=True)
    (layout.state / "mlflow" / "mlflow.db").touch()
    assert MlflowRegistry(open_store(layout, "generator", {}), "generator").versions() == ()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"/home/me/mine"])
def test_a_damaged_note_of_where_the_store_was_is_refused(store: MlflowStore, content: bytes) -> None:
    assert store.folder is not None
    layout = Layout(store.folder.parent.parent)
    before = (store.folder / "mlflow.db").read_bytes()
    (store.folder / "location").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"location is damaged.*Delete it"):
        open_store(layout, "generator", {})
    assert (store.folder / "mlflow.db").read_bytes() == before
    (store.folder / "location").unlink()
    open_store(layout, "generator", {})
    assert (store.folder / "location").read_text() == layout.root.as_uri()


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    store = open_store(Layout(Path()), "generator", {"MLFLOW_TRACKING_URI": "mysql://me:s3cret@127.0.0.1:9/x"})
    with pytest.raises(RegistryError, match=r"MLflow at mysql://127.0.0.1:9/x \(MLFLOW_TRACKING_URI\)") as raised:
        MlflowRegistry(store, "generator").versions()
    assert "s3cret" not in str(raised.value)


def test_a_server_that_does_not_answer_is_a_registry_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store = MlflowStore("http://127.0.0.1:9", "generator", None)
    with pytest.raises(RegistryError, match="Nothing was promoted"):
        MlflowRegistry(store, "generator").versions()
    with pytest.raises(TrackingError):
        MlflowTracker(store).start("lite", None, {}, {})


def test_candidates_that_begin_at_once_on_the_same_data_are_all_recorded(tmp_path: Path) -> None:
    tracker = MlflowTracker(open_store(Layout(tmp_path), "generator", {}))
    for number in range(6):
        runs = [tracker.start(f"candidate {index}", None, {}, {}) for index in range(4)]
        together = threading.Barrier(len(runs))

        def record(run: str, digest: str = f"{number:036d}", together: threading.Barrier = together) -> str:
            together.wait()
            tracker.dataset(run, "train", digest, "data/raw.dvc")
            return run

        with ThreadPoolExecutor(len(runs)) as pool:
            assert list(pool.map(record, runs)) == runs
