"""Whether an ONNX file is whole in itself: one that names other files is refused before anything reads it.

A tensor of an ONNX model may lie in a file beside it, under any path that the model likes, or even at an address in
memory; a model from outside could read what it should not. This walks the protobuf itself, along the fields that
lead to tensors (onnx.proto of ONNX 1.x), and does not decode the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ganops.errors import UserError

MOST_BYTES = 2**31 - 1
"""A protobuf message is no longer."""
UNNAMED = "of the custom extractor"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_LEADS_TO: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Which field of a message holds which other message."""
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_NODE_OPERATOR, _CONTEXT = 4, b"EPContext"  # a compiled part, which may be a path


def check_whole(content: bytes, name: str = UNNAMED) -> None:
    """Nothing, or a refusal. name: of the file, for the message.

    Raises:
        UserError: it is no ONNX model, or it refers to other files.
    """
    try:
        _walk(memoryview(content), "model")
    except (IndexError, RecursionError, _NotProtobufError):
        raise unusable("it is no ONNX model, or was cut short", name) from None
    except _RefusedError as error:
        raise unusable(str(error), name) from None


def unusable(why: str, name: str = UNNAMED) -> UserError:
    """The refusal of the file of that name."""
    return UserError(f"The ONNX file {name} cannot be used: {why}.")


class _RefusedError(Exception):
    """The model holds what is not wanted; says what."""


class _NotProtobufError(Exception):
    """The bytes are no message."""


def _walk(message: memoryview, kind: str) -> None:
    leads_to = _LEADS_TO[kind]
    for field, value in _fields(message):
        if kind == "tensor" and (field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value)):
            raise _RefusedError("it keeps tensors in other files: save it with all of its data inside")
        if not isinstance(value, memoryview):
            continue
        if kind == "node" and field == _NODE_OPERATOR and value.tobytes() == _CONTEXT:
            raise _RefusedError("it holds a part compiled for some device: save it without")
        if field in leads_to:
            _walk(value, leads_to[field])


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field: bytes as a view of them; of numbers of fixed size the value is 0."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        value: int | memoryview = 0
        if wire == _VARINT:
            value, at = _varint(message, at)
        elif wire == _BYTES:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise _NotProtobufError
        if at > len(message):
            raise _NotProtobufError
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise _NotProtobufError
