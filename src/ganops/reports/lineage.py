"""A lineage as inline SVG: boxes in columns from left to right, an arrow for each "came of".

Geometry is in units of a pixel at full width; the page lets it shrink, and scroll where that would make it unreadable.
Colours come from the page's style sheet.
"""

from __future__ import annotations

from markupsafe import Markup, escape

from ganops.provenance.lineage import Lineage, Node

WIDTH, HEIGHT = 196, 74
"""Of a box."""
ACROSS, DOWN = 27, 24
"""Between boxes."""
_MARGIN = 4
_SPREAD = 15
"""Between arrows that end at one side of a box."""
_LETTERS = {"title": 22, "line": 26}
"""What fits into a box, at 13 and 11.5 pixels of a wide font."""


def lineage_drawing(lineage: Lineage) -> Markup:
    """The drawing as an SVG element."""
    width = _right(max(node.column for node in lineage.nodes.values())) + _MARGIN
    height = _bottom(max(node.row for node in lineage.nodes.values())) + _MARGIN
    arrows = Markup("").join(
        _arrow(lineage.nodes[a], lineage.nodes[b], _place(lineage, a, b)) for a, b in lineage.edges
    )
    boxes = Markup("").join(_box(node) for node in lineage.nodes.values())
    return Markup(
        '<svg class="lineage" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="{said}"><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path class="tip" d="M0 0.8 7.5 4 0 7.2z"/></marker></defs>'
        "{arrows}{boxes}</svg>"
    ).format(width=width, height=height, said=lineage.sentence, arrows=arrows, boxes=boxes)


def _place(lineage: Lineage, before: str, after: str) -> float:
    """How far below the middle of its left side an arrow ends."""
    target = lineage.nodes[after]
    arriving = [a for a, b in lineage.edges if b == after and _from_the_left(lineage.nodes[a], target)]
    if before not in arriving:
        return 0.0
    order = sorted(arriving, key=lambda name: (lineage.nodes[name].row, lineage.nodes[name].column))
    return (order.index(before) - (len(order) - 1) / 2) * _SPREAD


def _from_the_left(source: Node, target: Node) -> bool:
    return source.column < target.column and not _from_above(source, target)


def _from_above(source: Node, target: Node) -> bool:
    """An arrow that would cross the column between goes along its own row and falls onto the box."""
    return source.row < target.row and target.column - source.column > 1


def _arrow(source: Node, target: Node, below: float) -> Markup:
    x, y = _right(source.column), _top(source.row) + HEIGHT / 2
    if source.column == target.column:
        middle = _left(source.column) + WIDTH // 2
        path = f"M{middle} {_top(source.row) + HEIGHT}V{_top(target.row)}"
    elif _from_above(source, target):
        to_x, bend = _left(target.column) + WIDTH // 2, 12
        path = f"M{x} {y}H{to_x - bend}Q{to_x} {y} {to_x} {y + bend}V{_top(target.row)}"
    else:
        to_x, end = _left(target.column), _top(target.row) + HEIGHT / 2 + below
        last = to_x - ACROSS  # along its own row up to the gap before the target
        path = f"M{x} {y}H{last}C{last + ACROSS / 2} {y} {to_x - ACROSS / 2} {end} {to_x} {end}"
    return Markup('<path class="arrow" marker-end="url(#tip)" d="{}"/>').format(path)


def _box(node: Node) -> Markup:
    x, y = _left(node.column), _top(node.row)
    lines = Markup("").join(
        Markup('<text class="what" x="{}" y="{}">{}</text>').format(x + 12, y + 43 + 18 * number, _fit(line, "line"))
        for number, line in enumerate(node.lines[:2])
    )
    full = "\n".join((node.title, *node.lines))
    return Markup(
        '<g class="box {tone}"><title>{full}</title><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>'
        '<text class="name" x="{text_x}" y="{text_y}">{title}</text>{lines}</g>'
    ).format(
        tone=node.tone,
        full=full,
        x=x,
        y=y,
        width=WIDTH,
        height=HEIGHT,
        text_x=x + 12,
        text_y=y + 23,
        title=_fit(node.title, "title"),
        lines=lines,
    )


def _fit(text: str, kind: str) -> Markup:
    most = _LETTERS[kind]
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def _left(column: int) -> int:
    return _MARGIN + column * (WIDTH + ACROSS)


def _right(column: int) -> int:
    return _left(column) + WIDTH


def _top(row: int) -> int:
    return _MARGIN + row * (HEIGHT + DOWN)


def _bottom(row: int) -> int:
    return _top(row) + HEIGHT
