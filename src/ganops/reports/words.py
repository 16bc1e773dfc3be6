"""Names of checks, metrics and rules as a person says them."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "fd_improvement": "Fréchet distance",
    "fd_bound": "Fréchet distance",
    "fd_star": "Fréchet distance",
    "frechet_distance": "Fréchet distance",
    "finite": "All figures finite",
    "fd": "Fréchet distance, plain",
    "kid": "KID",
    "kid_subsets": "KID over subsets",
    "mifid": "MiFID",
}
"""Where a name alone does not say it."""


def words(name: Any) -> str:
    """`class_coverage` and `kept-champion` as words."""
    name = str(name)
    return _NAMES.get(name) or name.replace("_", " ").replace("-", " ").capitalize()
