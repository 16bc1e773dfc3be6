"""Whether a registered model can be served: loaded from the registry, it makes images."""

from __future__ import annotations

import torch

from ganops.errors import SnapshotError
from ganops.models.sampling import generate
from ganops.models.snapshot import Snapshot
from ganops.ports import ModelRegistry, ModelVersion
from ganops.stages.registered import registered_snapshot

_IMAGES = 8


def require_servable(registry: ModelRegistry, version: ModelVersion) -> None:
    """Load `version` as the registry holds it and make a few images.

    Raises:
        SnapshotError: its files are damaged, or all its images are one flat colour.
        RegistryError: the registry does not answer, or holds another model under that number.
    """
    with registered_snapshot(registry, version) as (_, snapshot):
        if _is_blank(snapshot):
            raise SnapshotError(
                f"Version {version.version} of the model {version.name} makes images of one flat colour only: it was "
                "not promoted. Look at it with `ganops sample`, and train again."
            )


def _is_blank(snapshot: Snapshot) -> bool:
    images_u8 = torch.cat(list(generate(snapshot.generator, _IMAGES, seed=0)))
    return bool((images_u8.flatten(1).amax(1) == images_u8.flatten(1).amin(1)).all())
