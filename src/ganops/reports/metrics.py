"""What each score means, in a phrase: which way is better, and what it sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Meaning:
    """better: `↓ better`, `↑ better` or where the best is. sees: what moves it."""

    better: str
    sees: str


_LOWER, _HIGHER, _ZERO = "↓ better", "↑ better", "0 is best"

MEANINGS: Mapping[str, Meaning] = {
    "fd_star": Meaning(
        _LOWER,
        "Everything in the mean and spread of features: wrong or missing kinds of images, noise, blur. Freed of the "
        "bias that counts bring; candidates are chosen by it, and the gate decides on it.",
    ),
    "fd": Meaning(_LOWER, "The same as the literature reports it; the fewer the images, the more it is too large."),
    "kid": Meaning(_LOWER, "Differences of the whole distribution of features, skewness too. Below 0 by chance alone."),
    "kid_subsets": Meaning(_LOWER, "The same as the mean over a hundred subsets, as the literature reports it."),
    "kernel_distance": Meaning(_LOWER, "KID in units of the data: 1 is one and the same real image for ever."),
    "precision": Meaning(_HIGHER, "Share of generated images that resemble a real one; noise and artefacts lower it."),
    "recall": Meaning(_HIGHER, "Share of real images that the generator comes near to; collapse lowers it."),
    "density": Meaning(
        _HIGHER, "How typical generated images are: 1 as real ones, more where it makes nothing but the usual."
    ),
    "coverage": Meaning(_HIGHER, "Share of real images whose neighbourhood holds a generated one; collapse lowers it."),
    "class_coverage": Meaning(
        _HIGHER, "Whether classes come in their real shares: 1 is so, and a class that is never made costs its share."
    ),
    "inception_score": Meaning(
        _HIGHER, "Whether each image has a class, and all classes come; it looks at no real image."
    ),
    "mifid": Meaning(
        _LOWER, "The Fréchet distance, divided by the nearness to training images where that is suspicious."
    ),
    "memorisation": Meaning(
        _ZERO, "How much more often than real images generated ones lie nearer to training than to held-out images."
    ),
    "copies": Meaning(
        _ZERO, "Share of generated images as near to a training image as hardly any real one is: partial copying."
    ),
}
