"""The MLflow model registry: versions, stages and aliases, always set together and here only."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import ganops
from ganops import plain_yaml
from ganops.adapters.mlflow_store import MlflowStore
from ganops.adapters.mlflow_tracker import SNAPSHOT_TAG
from ganops.adapters.servers import without_credentials
from ganops.errors import RegistryError
from ganops.files import read_text
from ganops.plain_text import spelt
from ganops.ports import Alias, ModelVersion, Stage

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SERVED_CODE = ("__init__.py", "errors.py", "files.py", "models")
"""What of GanOps travels with a model."""

_LOADED_AS = "registered_model_meta"
_SERVED_PACKAGES = ("mlflow", "numpy", "pandas", "pillow", "safetensors", "torch")


@final
@dataclass(frozen=True)
class MlflowRegistry:
    """Implements `ports.ModelRegistry` for one registered model."""

    store: MlflowStore
    name: str

    def versions(self) -> Sequence[ModelVersion]:
        with self._talking("reading the registry"):
            if not self._known():
                return ()
            # search results come without their aliases, so those are read from the model
            aliases: dict[str, str] = self._client.get_registered_model(self.name).aliases
            found = self._client.search_model_versions(f"name = '{self.name}'", max_results=10_000)
        versions = (_version(item, aliases) for item in found)
        return tuple(sorted(versions, key=lambda version: version.version, reverse=True))

    def register(self, snapshot: Path, snapshot_sha256: str, run: str, tags: Mapping[str, str]) -> ModelVersion:
        with self._talking("registering a model version"), _packed(snapshot) as model:
            if not self._known():
                self._client.create_registered_model(self.name, description="Image generators, promoted by GanOps.")
            self._client.log_artifacts(run, str(model), "model")
            source = f"{self._client.get_run(run).info.artifact_uri}/model"
            made = self._client.create_model_version(
                self.name, source, run_id=run, tags={**tags, SNAPSHOT_TAG: snapshot_sha256}
            )
        return self._read(int(made.version))

    def download(self, version: ModelVersion, folder: Path) -> Path:
        assert version.run is not None, "GanOps registers every version from a run"
        with self._talking(f"downloading version {version.version}"):
            path = self._client.download_artifacts(version.run, "model/artifacts/snapshot", str(folder))
        return Path(path)

    def download_model(self, version: ModelVersion, folder: Path) -> Path:
        assert version.run is not None, "GanOps registers every version from a run"
        with self._talking(f"downloading version {version.version}"):
            kept = str(self._client.get_run(version.run).info.artifact_uri)
            served = str(self._client.get_model_version_download_uri(self.name, str(version.version)))
            self._require_own(version, kept, served)
            if self.store.folder is not None:
                _require_plain(Path(url2pathname(urlsplit(served).path)), version)
            model = Path(self._client.download_artifacts(version.run, "model", str(folder)))
        _forget_loading(model, version)
        return model

    def _require_own(self, version: ModelVersion, kept: str, served: str) -> None:
        """What is looked at is what is served, and is not fetched from wherever the registry says."""
        folder = self.store.folder
        elsewhere = folder is not None and not kept.startswith(f"{folder.as_uri()}/")
        if elsewhere or served != f"{kept}/model":
            raise RegistryError(
                f"The registry serves version {version.version} from {without_credentials(served)[:200]}, which is not "
                "where GanOps put it: somebody pointed it elsewhere. Nothing was fetched from there, and nothing was "
                "promoted."
            )

    def point(self, alias: Alias, version: int | None) -> None:
        with self._talking(f"setting the alias {alias}"):
            if version is None:
                self._client.delete_registered_model_alias(self.name, alias)
            else:
                self._client.set_registered_model_alias(self.name, alias, str(version))

    def move(self, version: int, stage: Stage) -> None:
        with self._talking(f"moving version {version} to {stage}"), warnings.catch_warnings():
            # stages are deprecated in MLflow's words and what teams' deployments read: we keep both
            warnings.simplefilter("ignore", FutureWarning)
            self._client.transition_model_version_stage(
                self.name, str(version), stage, archive_existing_versions=stage == "Production"
            )

    def model_tags(self) -> Mapping[str, str]:
        with self._talking("reading the registered model"):
            if not self._known():
                return {}
            return dict(self._client.get_registered_model(self.name).tags)

    def tag_model(self, tags: Mapping[str, str]) -> None:
        with self._talking("tagging the registered model"):
            for key, value in tags.items():
                self._client.set_registered_model_tag(self.name, key, value)

    def tag(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        with self._talking(f"tagging version {version.version}"):
            for key, value in tags.items():
                self._client.set_model_version_tag(self.name, str(version.version), key, value)

    def _known(self) -> bool:
        return bool(self._client.search_registered_models(filter_string=f"name = '{self.name}'"))

    def _read(self, number: int) -> ModelVersion:
        return next(version for version in self.versions() if version.version == number)

    @contextmanager
    def _talking(self, doing: str) -> Iterator[None]:
        with self.store.translated(RegistryError, doing):
            yield

    @cached_property
    def _client(self) -> MlflowClient:
        return self.store.client()


def _version(item: Any, aliases: Mapping[str, str]) -> ModelVersion:
    tags = dict(item.tags)
    return ModelVersion(
        name=str(item.name),
        version=int(item.version),
        snapshot_sha256=str(tags.get(SNAPSHOT_TAG, "")),
        stage=cast(Stage, str(item.current_stage or "None")),
        aliases=tuple(sorted(alias for alias, number in aliases.items() if int(number) == int(item.version))),
        tags=tags,
        run=str(item.run_id) if item.run_id else None,
    )


def _require_plain(folder: Path, version: ModelVersion) -> None:
    """Name what MLflow cannot fetch: a folder that is gone, links, pipes, names that are no text."""
    if folder.is_symlink() or not folder.is_dir():
        what = "a link" if folder.is_symlink() else "gone"
        raise RegistryError(f"{folder}, where MLflow keeps version {version.version}, is {what}. Nothing was promoted.")
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent) / name for name in sorted((*folders, *files))):
            if (odd := _oddity(path)) is not None:
                raise RegistryError(
                    f"In {folder}, where MLflow keeps version {version.version}, "
                    f"{spelt(path.relative_to(folder).as_posix())} {odd}: it was put there. Nothing was promoted."
                )


def _oddity(path: Path) -> str | None:
    if path.is_symlink():
        return "is a link"
    if not (path.is_file() or path.is_dir()):
        return "is no plain file"
    return None if _is_text(path.name) else "has a name that is no text"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _forget_loading(model: Path, version: ModelVersion) -> None:
    """Whoever loads `models:/NAME/VERSION` from local files has MLflow note that in the folder itself: no part of it.

    A note that says anything else stays, to be found.
    """
    note = model / _LOADED_AS
    try:
        said = plain_yaml.load(read_text(note))
    except (OSError, ValueError):
        return
    if said in (
        {"model_name": version.name, "model_version": number} for number in (version.version, str(version.version))
    ):
        note.unlink()


@contextmanager
def _packed(snapshot: Path) -> Iterator[Path]:
    """The snapshot as an MLflow model folder."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Array, ColSpec, DataType, Schema

    signature = ModelSignature(
        inputs=Schema(
            [
                ColSpec(DataType.long, "n", required=False),
                ColSpec(DataType.long, "seed", required=False),
                ColSpec(Array(DataType.double), "z", required=False),
                ColSpec(DataType.long, "label", required=False),
            ]
        ),
        outputs=Schema(
            [ColSpec(DataType.long, "index"), ColSpec(DataType.long, "seed"), ColSpec(DataType.string, "png")]
        ),
    )
    with tempfile.TemporaryDirectory() as temporary:
        code = Path(temporary) / "code" / "ganops"
        code.mkdir(parents=True)
        package = Path(ganops.__file__).parent
        for name in _SERVED_CODE:
            source = package / name
            if source.is_dir():
                shutil.copytree(source, code / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, code / name)
        named = Path(temporary) / "snapshot"  # MLflow keeps a folder under its own name
        shutil.copytree(snapshot, named)
        model = Path(temporary) / "model"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*input example.*", category=UserWarning)
            mlflow.pyfunc.save_model(
                path=str(model),
                python_model=str(package / "adapters" / "mlflow_model.py"),
                artifacts={"snapshot": str(named)},
                code_paths=[str(code)],
                signature=signature,
                # named here because guessing them takes MLflow five seconds
                pip_requirements=[f"{name}=={metadata.version(name).split('+')[0]}" for name in _SERVED_PACKAGES],
            )
        yield model
