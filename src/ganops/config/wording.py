"""How a message writes what it found, and the name that may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

_SHOWN = 100
"""Characters of a wrong value."""


def as_yaml(value: Any) -> str:
    """A wrong value as it stands in the file, or what kind of thing it is where that is long."""
    if isinstance(value, Mapping):
        return "a section"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 1000:  # Python refuses to write numbers of thousands of digits
        return "a number of hundreds of digits"
    if isinstance(value, str):
        return shortened(repr(value[: _SHOWN + 1]))
    if isinstance(value, tuple):
        return shortened(f"[{', '.join(map(as_yaml, value[:_SHOWN]))}]")
    return shortened(repr(value))


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else as_yaml(value)


def shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def nearest(word: str, known: Any) -> str:
    """`, did you mean 'NAME'?`, or nothing where no name is near.

    Case apart, for that is the commonest slip; of names that differ in case alone, the one that is written so. A name
    of which parts were left out (28x28-cpu of 28x28-grey-cpu) is nearer than one with other letters.
    """
    names = {name.lower(): name for name in known} | {name: name for name in known}
    word = word[:_SHOWN]
    longer = [name for name in names if _parts(word) and _parts(word) < _parts(name)]
    match = longer or [close for text in (word.lower(), word) for close in _close(text, names)]
    return f", did you mean '{names[match[0]]}'?" if match else ""


def _close(word: str, names: Mapping[str, str]) -> list[str]:
    return difflib.get_close_matches(word, names, n=1, cutoff=0.6)


def _parts(name: str) -> frozenset[str]:
    parts = name.lower().split("-")
    return frozenset(parts) if len(parts) > 1 else frozenset()
