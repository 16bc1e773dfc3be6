"""Where MLflow keeps things: a server where `MLFLOW_TRACKING_URI` names one, else SQLite in the workspace."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, final

from ganops.adapters.servers import require_servers, without_credentials
from ganops.errors import DamagedFile, VendorError
from ganops.files import publish, write_text
from ganops.layout import Layout
from ganops.locks import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DATABASE = "mlflow.db"
_CONNECTION_TRIES = 6  # about six seconds
_PATH_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
"""Where MLflow's SQLite store writes absolute paths."""


@final
@dataclass(frozen=True)
class MlflowStore:
    """One tracking and registry address, and the experiment that a workspace's runs lie in.

    folder: of the embedded store; None where MLFLOW_TRACKING_URI names another. fault: why it cannot be read, raised by
    whatever asks it; None where it can.
    """

    uri: str
    experiment: str
    folder: Path | None
    fault: DamagedFile | None = None

    def client(self) -> MlflowClient:
        """A client bound to this store: nothing global is set."""
        if self.fault is not None:
            raise self.fault
        quiet()
        from mlflow import MlflowClient

        if not self.uri.startswith(("http://", "https://")):
            from mlflow.store.db import utils

            # of connecting to a database: MLflow's own ten, ever further apart, take 100 seconds
            utils.MAX_RETRY_COUNT = _CONNECTION_TRIES
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    @property
    def where(self) -> str:
        """Where the record and the registry lie, for a person; no password."""
        if self.folder is not None:
            return str(self.folder / _DATABASE)
        return f"{without_credentials(self.uri)} (MLFLOW_TRACKING_URI)"

    @contextmanager
    def translated(self, kind: type[VendorError], doing: str) -> Iterator[None]:
        """MLflow's and its transports' errors as one of ours."""
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, RequestException, SQLAlchemyError, OSError, ImportError) as error:
            said = without_credentials(_without_sql(" ".join(str(error).split())))[:400].rstrip(".")
            raise kind(f"MLflow at {self.where} failed while {doing}: {said}. Nothing was promoted.") from error

    def experiment_id(self, client: MlflowClient) -> str:
        """The workspace's experiment, made on first use."""
        found = client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        location = None if self.folder is None else (self.folder / "artifacts").as_uri()
        return str(client.create_experiment(self.experiment, artifact_location=location))


def read_store(layout: Layout, experiment: str, environment: Mapping[str, str]) -> MlflowStore:
    """As `open_store`, for who only looks: it makes no database, and one that cannot be read says so when asked."""
    database = layout.state / "mlflow" / _DATABASE
    store = MlflowStore(f"sqlite:///{database}", experiment, database.parent)
    if not environment.get("MLFLOW_TRACKING_URI") and not _is_begun(database):
        return replace(store, fault=DamagedFile(f"{database}, MLflow's database, is gone: restore it from a copy."))
    try:
        return open_store(layout, experiment, environment)
    except DamagedFile as error:
        return replace(store, fault=error)


def open_store(layout: Layout, experiment: str, environment: Mapping[str, str]) -> MlflowStore:
    """The store that the environment names, or the workspace's own, migrated and ready.

    Raises:
        VendorError: no server answers.
        DamagedFile: the embedded database, or the note of where it lay, is not what was written, or half-made.
    """
    if uri := environment.get("MLFLOW_TRACKING_URI"):
        require_servers({"MLFLOW_TRACKING_URI": uri})
        return MlflowStore(uri, experiment, None)
    folder = layout.state / "mlflow"
    database = folder / _DATABASE
    store = MlflowStore(f"sqlite:///{database}", experiment, folder)
    with locked(folder / "migration.lock"):
        if not _is_begun(database):
            _create(database, store)
        _require_database(database)
        _relocate(database, folder / "location", layout.root)
    return store


def quiet() -> None:
    """No telemetry, no pickles, no migration log on the terminal, no endless retries: before MLflow is imported."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"  # whatever was said before: nothing here needs one
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # MLflow's own seven take four minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # seconds, of each; MLflow's own are 120
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"mlflow\..*")
    import logging

    for name in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _is_begun(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0


def _create(database: Path, store: MlflowStore) -> None:
    """MLflow's migration takes seconds and cannot be taken up where it was killed: it happens under another name.

    The caller holds the lock, so that whoever left files of that name behind is dead. An MLflow server takes no lock of
    ours: where one has begun the database meanwhile, it stays the server's.
    """
    fresh = database.with_name(f".{database.name}.new")
    for left in database.parent.glob(f"{fresh.name}*"):  # a journal, too, which would be played back
        left.unlink()
    with store.translated(VendorError, "preparing the embedded database"):
        quiet()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        made = SqlAlchemyStore(f"sqlite:///{fresh}", (database.parent / "artifacts").as_uri())
        made.search_experiments(max_results=1)
        made.engine.dispose()
        if _is_begun(database):
            fresh.unlink()
        else:
            publish(fresh, database)


def _without_sql(said: str) -> str:
    """What SQLAlchemy adds to an error, a statement of any length and an address, helps no user."""
    return said.split(" [SQL: ")[0]


def _require_database(path: Path) -> None:
    """Look at once whether SQLite can read it: MLflow would try again and again."""
    try:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise sqlite3.DatabaseError("it is no SQLite database")
        with closing(sqlite3.connect(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            # MLflow's last act on a new database is its first experiment, whose row is never deleted by itself
            begun = "experiments" in tables and connection.execute("SELECT 1 FROM experiments").fetchone() is not None
    except (OSError, sqlite3.DatabaseError) as error:
        raise DamagedFile(
            f"{path}, MLflow's database, cannot be read ({error}). Restore it from a copy; if there is none, move it "
            "and the folder journal/ away, and registry and history begin anew. Nothing was promoted."
        ) from None
    if not begun:
        raise DamagedFile(
            f"{path}, MLflow's database, is half-made: whoever began it was stopped, or an MLflow server is just "
            "making it. Wait if one has just been started; else delete the file, in which nothing was recorded yet, "
            "and run the same command again."
        )


def _relocate(database: Path, note: Path, root: Path) -> None:
    """MLflow stores absolute paths; a workspace that was moved gets them rewritten. `note` holds where it was."""
    new = root.as_uri()
    old = _noted(note)
    if old == new:
        return
    if old is None:
        write_text(note, new)
        return
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in _PATH_COLUMNS:
            for before, after in ((old, new), (_bare(old), _bare(new))):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (after, len(before) + 1, len(before) + 1, before + "/"),
                )
    write_text(note, new)


def _noted(note: Path) -> str | None:
    try:
        noted = note.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        noted = ""
    if not noted.startswith("file:///"):
        raise DamagedFile(
            f"{note} is damaged: it holds the address of the workspace's folder, such as file:///home/me/mine. Delete "
            "it if the workspace was not moved since its last run; else write the old folder's address into it."
        )
    return noted


def _bare(uri: str) -> str:
    return uri.removeprefix("file://")
