"""A registered model as the registry holds it now, which must be what was registered."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganops.errors import RegistryError, SnapshotError
from ganops.models.snapshot import Snapshot, load_snapshot
from ganops.ports import ModelRegistry, ModelVersion


@contextmanager
def registered_snapshot(registry: ModelRegistry, version: ModelVersion) -> Iterator[tuple[Path, Snapshot]]:
    """A version's verified snapshot and the folder that holds its files while the block lasts.

    Raises:
        SnapshotError: it is damaged, or in the block a file of it is; names the version.
        RegistryError: the registry does not answer, or holds another model under that number.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            directory = registry.download(version, Path(folder))
            snapshot = load_snapshot(directory)
            if snapshot.sha256 != version.snapshot_sha256:
                raise RegistryError(
                    f"Version {version.version} holds another model than was registered (sha256 "
                    f"{snapshot.sha256[:12]}, not {version.snapshot_sha256[:12]}). Nothing was promoted; find out who "
                    "wrote to the registry."
                )
            yield directory, snapshot
        except SnapshotError as error:
            said = str(error).replace(f"{directory}/", "").replace(str(directory), "the registry")
            raise SnapshotError(
                f"Version {version.version} of the model {version.name} is damaged, and has to be restored in the "
                f"registry or made anew with `ganops run --when always`: {said}"
            ) from None
