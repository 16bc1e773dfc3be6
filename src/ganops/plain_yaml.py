"""YAML that a person wrote, as plain data: of bounded depth and size, whatever its anchors and aliases make of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_DEPTH = 20
MAX_CHARACTERS = 200_000
"""Of a file, and of what it would be with every alias written out."""
MAX_DIGITS = 1000
_WHOLE_NUMBER = "tag:yaml.org,2002:int"


def load(text: str) -> Any:
    """The one document in `text`; aliases share what they name.

    Raises:
        ValueError: it is no YAML, nested too deeply, holds itself or is too long; says which, and where.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it is longer than {MAX_CHARACTERS} characters")
    reader = YAML(typ="safe", pure=True)
    reader.Composer = _Bounded
    try:
        return reader.load(text)
    except YAMLError as error:
        raise ValueError(_why(error)) from None


@final
class _Bounded(Composer):  # type: ignore[misc]
    """Looks at a document before it is constructed: one of a kilobyte can stand for one of gigabytes."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        _require_flat(self._depth)  # before the parser goes down: it takes seconds over thousands of levels
        node = super().compose_node(parent, index)
        _require_readable(node)
        self._depth -= 1
        return node

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            _measure(node, {})
        return node


def _measure(node: Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """Characters and levels of `node` with every alias written out; each node is looked at once.

    known: what was found by a node's id, None while it is being looked at.
    """
    if id(node) in known:
        if (found := known[id(node)]) is None:
            raise ValueError("an anchor in it holds itself")
        return found
    known[id(node)] = None
    parts = [_measure(part, known) for part in _parts(node)]
    length = sum((length for length, _ in parts), len(node.value) + 1)
    depth = 1 + max((depth for _, depth in parts), default=0)
    _require_flat(depth)
    if length > MAX_CHARACTERS:
        raise ValueError(f"with its aliases written out it is longer than {MAX_CHARACTERS} characters")
    _require_unique(node)
    known[id(node)] = length, depth
    return length, depth


def _parts(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, SequenceNode):
        yield from node.value


def _require_flat(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def _require_readable(node: Node) -> None:
    if node.tag == _WHOLE_NUMBER and len(node.value) > MAX_DIGITS:
        raise ValueError(f"the number in line {_line(node)} has {len(node.value)} digits, more than {MAX_DIGITS}")


def _require_unique(node: Node) -> None:
    """What a mapping holds twice under one key, a reader would take but once."""
    seen: dict[tuple[str, str], Node] = {}
    for key, _ in node.value if isinstance(node, MappingNode) else ():
        if isinstance(key, ScalarNode) and (first := seen.setdefault((key.tag, key.value), key)) is not key:
            lines = _line(first), _line(key)
            places = f"in line {lines[0]}" if lines[0] == lines[1] else f"in lines {lines[0]} and {lines[1]}"
            raise ValueError(f"the key '{key.value[:100]}' stands twice in one section, {places}: rename or delete one")


def _line(node: Node) -> int:
    line: int = node.start_mark.line + 1
    return line


def _why(error: YAMLError) -> str:
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())[:300]
    said = ", ".join(part for part in (error.context, error.problem) if part)[:300]
    mark = error.problem_mark
    return f"{said} (line {mark.line + 1}, column {mark.column + 1})"
