from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ganops.errors import RegistryError, SnapshotError
from ganops.models import ModelSpec, build_generator, save_snapshot
from ganops.ports import ModelVersion
from ganops.stages.registered import registered_snapshot


@dataclass
class Shelf:
    """A registry of one snapshot."""

    snapshot: Path

    def download(self, version: ModelVersion, folder: Path) -> Path:
        return Path(shutil.copytree(self.snapshot, folder / "snapshot"))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "held")


@pytest.fixture
def version(shelf: Shelf) -> ModelVersion:
    spec = ModelSpec("lite", (1, 8, 8), 4, 4)
    saved = save_snapshot(shelf.snapshot, build_generator(spec, 0), spec, {})
    return ModelVersion("generator", 3, saved.sha256, "Production", ("champion",), {}, "run")


def refused(shelf: Shelf, version: ModelVersion) -> str:
    with pytest.raises(SnapshotError) as raised, registered_snapshot(shelf, version):  # type: ignore[arg-type]
        pytest.fail("a damaged snapshot was handed on")
    assert "/tmp" not in str(raised.value) and "Version 3 of the model generator" in str(raised.value)
    return str(raised.value)


def test_what_was_registered_comes_back(shelf: Shelf, version: ModelVersion) -> None:
    with registered_snapshot(shelf, version) as (folder, snapshot):  # type: ignore[arg-type]
        assert snapshot.sha256 == version.snapshot_sha256 and (folder / "model.json").is_file()


def test_a_damaged_snapshot_is_named_by_its_version(shelf: Shelf, version: ModelVersion) -> None:
    weights = shelf.snapshot / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "generator.safetensors is not the file that model.json describes" in refused(shelf, version)
    weights.unlink()
    assert "lacks generator.safetensors" in refused(shelf, version)
    (shelf.snapshot / "model.json").write_text("{")
    assert "model.json is damaged" in refused(shelf, version)


def test_another_model_under_the_same_number_is_refused(shelf: Shelf, version: ModelVersion) -> None:
    other = replace(version, snapshot_sha256="0" * 64)
    raised = pytest.raises(RegistryError, match="Version 3 holds another model")
    with raised, registered_snapshot(shelf, other):  # type: ignore[arg-type]
        pytest.fail("another model was handed on")
