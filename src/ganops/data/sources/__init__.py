"""Where images come from: `open_source` finds out which kind of source a word or a path is."""

from ganops.data.sources.base import BareImage, BareSource, RawImage, Refusal, Source
from ganops.data.sources.opening import open_source

__all__ = ["BareImage", "BareSource", "RawImage", "Refusal", "Source", "open_source"]
