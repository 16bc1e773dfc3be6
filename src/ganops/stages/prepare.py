"""prepare: accepted raw images become the train, select and test arrays."""

from __future__ import annotations

from ganops.config import Config
from ganops.data import prepare as preparing
from ganops.data.manifest import read_manifest
from ganops.data.prepared import PreparedDataset, load
from ganops.data.validated import accepted_digests
from ganops.files import replace_directory
from ganops.layout import Layout
from ganops.progress import Progress, silent


def prepare(layout: Layout, config: Config, progress: Progress = silent) -> PreparedDataset:
    """Write `data/prepared` anew; the same inputs give the same bytes.

    Raises:
        UserError: no images, or not validated yet.
        ValidationFailed: the last validation failed.
        ConfigError: `data` in params.yaml does not fit the images.
        TooFewImages: a split would be too small.
    """
    accepted = accepted_digests(layout.validated)
    plan = preparing.plan(read_manifest(layout.raw), accepted, config.data)
    with replace_directory(layout.prepared) as folder:
        preparing.write(layout.raw, plan, config.data, folder, progress)
    return load(layout.prepared)
