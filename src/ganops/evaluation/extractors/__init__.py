"""Pinned feature extractors: what generators are judged by.

The makers take images, labels, a file, and give an `Extractor` in memory; `save_extractor` and `load_extractor` keep
it in a folder.
"""

from ganops.evaluation.extractors.card import Card
from ganops.evaluation.extractors.classifier import train_classifier
from ganops.evaluation.extractors.extractor import Extractor, Observed, load_extractor, save_extractor
from ganops.evaluation.extractors.fitting import accuracy_of, fitted
from ganops.evaluation.extractors.makers import custom, fit_classifier, fit_pretext, inception

__all__ = [
    "Card",
    "Extractor",
    "Observed",
    "accuracy_of",
    "custom",
    "fit_classifier",
    "fit_pretext",
    "fitted",
    "inception",
    "load_extractor",
    "save_extractor",
    "train_classifier",
]
