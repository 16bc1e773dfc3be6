"""A registered version by its number."""

from __future__ import annotations

from collections.abc import Sequence

from ganops.errors import UnknownName
from ganops.ports import ModelVersion


def version_of(versions: Sequence[ModelVersion], number: int) -> ModelVersion:
    """Raises UnknownName where there is none."""
    found = next((version for version in versions if version.version == number), None)
    if found is None:
        there = ", ".join(str(version.version) for version in versions) or "none"
        raise UnknownName(f"There is no version {number}. Versions there are: {there}.")
    return found


def named(version: int | None) -> str:
    """A version for a person, or that there is none."""
    return "none" if version is None else f"version {version}"


def champion_of(versions: Sequence[ModelVersion]) -> ModelVersion | None:
    """The version that the alias `champion` names."""
    return next((version for version in versions if "champion" in version.aliases), None)
