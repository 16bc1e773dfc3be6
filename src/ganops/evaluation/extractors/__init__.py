"""Pinned feature extractors: what generators are judged by."""

from ganops.evaluation.extractors.extractor import Card, Extractor, Observed, load_extractor, save_extractor
from ganops.evaluation.extractors.training import train_classifier

__all__ = ["Card", "Extractor", "Observed", "load_extractor", "save_extractor", "train_classifier"]
