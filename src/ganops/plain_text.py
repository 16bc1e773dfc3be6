"""Text that others wrote, made fit to be shown: names of files, reasons, classes."""

from __future__ import annotations

import unicodedata

_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of control and format characters, lone surrogates, and ends of lines."""

_JOINERS = "\u200c\u200d"
"""Format characters that steer nothing, and without which some scripts cannot be written."""


def steering(text: str) -> list[str]:
    """The characters of `text` that would steer a terminal, turn its text round, or hide in it."""
    return [char for char in text if unicodedata.category(char) in _STEERING and char not in _JOINERS]


def spelt(text: str) -> str:
    r"""`text` with those characters spelt out, as `\x1b`; bytes of a file's name that are no text, as `\udc80`."""
    odd = frozenset(steering(text))
    return "".join(named(char) if char in odd else char for char in text) if odd else text


def named(char: str) -> str:
    r"""A character as Python writes it: `\u202e`."""
    return char.encode("unicode_escape").decode()
