"""A few small ONNX models, written by hand as protobuf, so that tests need nothing that builds them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

FLOAT, STRING = 1, b"a"


def number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def message(field: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def node(operator: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    names = [message(1, name.encode()) for name in inputs]
    return message(1, *names, message(2, output.encode()), message(4, operator.encode()), *attributes)


def tensor(name: str, values: Sequence[float], *more: bytes) -> bytes:
    """An initializer of one dimension; `more` are further fields of it."""
    raw = struct.pack(f"<{len(values)}f", *values)
    return message(5, number(1, len(values)), number(2, FLOAT), message(8, name.encode()), message(9, raw), *more)


def images_info(field: int, name: str, shape: Sequence[int | str]) -> bytes:
    sizes = [message(1, number(1, size) if isinstance(size, int) else message(2, size.encode())) for size in shape]
    return message(field, message(1, name.encode()), message(2, message(1, number(1, FLOAT), message(2, *sizes))))


def model(*graph: bytes, shape: Sequence[int | str] = ("n", 3, 8, 8), outputs: Sequence[int | str] = ("n", 3)) -> bytes:
    """Of nodes and initializers that lead from `x` (shape) to `y` (outputs); IR version 8, opset 13."""
    inside = [*graph, message(2, b"g"), images_info(11, "x", shape), images_info(12, "y", outputs)]
    return number(1, 8) + message(7, *inside) + message(8, number(2, 13))


def mean_colour(shape: Sequence[int | str] = ("n", 3, 8, 8)) -> bytes:
    """The mean of each channel."""
    graph = (node("GlobalAveragePool", ["x"], "pooled"), node("Flatten", ["pooled"], "y"))
    return model(*graph, shape=shape, outputs=(shape[0], shape[1]))


def not_a_number() -> bytes:
    """The root of minus the mean: NaN but for black images."""
    pooled = (node("GlobalAveragePool", ["x"], "pooled"), node("Flatten", ["pooled"], "flat"))
    return model(*pooled, node("Neg", ["flat"], "minus"), node("Sqrt", ["minus"], "y"))


def constant() -> bytes:
    """Zeros."""
    pooled = (node("GlobalAveragePool", ["x"], "pooled"), node("Flatten", ["pooled"], "flat"))
    return model(*pooled, tensor("nought", [0.0]), node("Mul", ["flat", "nought"], "y"))


def with_external_data(location: str) -> bytes:
    """Its factor lies in another file."""
    entry = message(13, message(1, b"location"), message(2, location.encode()))
    outside = message(5, number(1, 1), number(2, FLOAT), message(8, b"factor"), entry, number(14, 1))
    pooled = (node("GlobalAveragePool", ["x"], "pooled"), node("Flatten", ["pooled"], "flat"))
    return model(*pooled, outside, node("Mul", ["flat", "factor"], "y"))


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)
