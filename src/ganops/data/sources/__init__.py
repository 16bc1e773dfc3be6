"""Where images come from: `open_source` finds out which kind of source a word or a path is."""

from ganops.data.sources.base import RawImage, Refusal, Source
from ganops.data.sources.opening import open_source

__all__ = ["RawImage", "Refusal", "Source", "open_source"]
