"""Where MLflow keeps things: a server where `MLFLOW_TRACKING_URI` names one, else SQLite in the workspace."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from ganops.errors import VendorError
from ganops.files import write_text
from ganops.layout import Layout

if TYPE_CHECKING:
    from mlflow import MlflowClient

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

    folder: of the embedded store; None where a server keeps everything.
    """

    uri: str
    experiment: str
    folder: Path | None

    def client(self) -> MlflowClient:
        """A client bound to this store: nothing global is set."""
        quiet()
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment_id(self, client: MlflowClient) -> str:
        """The workspace's experiment, made on first use."""
        found = client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        location = None if self.folder is None else (self.folder / "artifacts").as_uri()
        return str(client.create_experiment(self.experiment, artifact_location=location))


def open_store(layout: Layout, experiment: str, environment: Mapping[str, str]) -> MlflowStore:
    """The store that the environment names, or the workspace's own, migrated and ready."""
    if uri := environment.get("MLFLOW_TRACKING_URI"):
        return MlflowStore(uri, experiment, None)
    folder = layout.state / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "mlflow.db"
    store = MlflowStore(f"sqlite:///{database}", experiment, folder)
    with _locked(folder / "migration.lock"):
        if database.exists():
            _relocate(database, folder / "location", layout.root)
        else:
            # SQLite loses a race between several first users of a fresh file: one migrates, all others wait
            with translated(VendorError, "preparing the embedded MLflow database"):
                store.client().search_experiments(max_results=1)
            write_text(folder / "location", layout.root.as_uri())
    return store


def quiet() -> None:
    """No telemetry, no pickles, no migration log on the terminal: before MLflow is imported."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"mlflow\..*")
    import logging

    for name in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def translated(kind: type[VendorError], doing: str) -> Iterator[None]:
    """MLflow's and its transports' errors as one of ours."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        said = " ".join(str(error).split())[:400]
        raise kind(f"MLflow failed while {doing}: {said}. Nothing was promoted.") from error


def _relocate(database: Path, note: Path, root: Path) -> None:
    """MLflow stores absolute paths; a workspace that was moved gets them rewritten. `note` holds where it was."""
    new = root.as_uri()
    old = note.read_text(encoding="utf-8") if note.exists() else new
    if old == new:
        return
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in _PATH_COLUMNS:
            for before, after in ((old, new), (_bare(old), _bare(new))):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (after, len(before) + 1, len(before) + 1, before + "/"),
                )
    write_text(note, new)


def _bare(uri: str) -> str:
    return uri.removeprefix("file://")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
