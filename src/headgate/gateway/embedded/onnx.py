"""The bytes of an ONNX model, written without the `onnx` package.

It supports only networks whose weights lie outside the model. The numbers below are the field
numbers of `onnx.proto3`. The encoding is that of protocol buffers: a field is its tag
(`number << 3 | wire type`) followed by a varint (0), a length and bytes (2), or four bytes (5).
Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FLOAT, INT64, INT32 = 1, 7, 6

_IR_VERSION = 9
_EXTERNAL = 1


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the network; a dimension given as a name is variable."""

    name: str
    element: int
    shape: Sequence[int | str]


@dataclass(slots=True)
class Graph:
    """A network under construction: nodes in the order of execution."""

    inputs: Sequence[Port]
    outputs: Sequence[Port]
    _nodes: list[bytes] = field(default_factory=list[bytes])
    _constants: list[bytes] = field(default_factory=list[bytes])

    def node(self, operator: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: float | int) -> str:
        """Add a node and return the name of its first output.

        Args:
            domain: the operator set; empty is the standard one.
            outputs: how many outputs it has; further ones are named `<first>.1`, `<first>.2` and so on.
        """
        name = f"{operator}_{len(self._nodes)}"
        names = [name, *(f"{name}.{n}" for n in range(1, outputs))]
        self._nodes.append(
            b"".join(_text(1, value) for value in inputs)
            + b"".join(_text(2, value) for value in names)
            + _text(4, operator)
            + b"".join(_bytes(5, _attribute(key, value)) for key, value in attributes.items())
            + _text(7, domain)
        )
        return name

    def constant(self, name: str, values: Sequence[int]) -> str:
        """Add a one-dimensional int64 constant inside the model, and return its name."""
        raw = struct.pack(f"<{len(values)}q", *values)
        self._constants.append(_int(1, len(values)) + _int(2, INT64) + _text(8, name) + _bytes(9, raw))
        return name

    def outside(self, name: str, shape: Sequence[int]) -> str:
        """Add a float32 weight outside the model, and return its name.

        The session gets the weight by name, so the model stays small.
        """
        dimensions = b"".join(_int(1, size) for size in shape)
        # The format demands a location, but nothing is read from it.
        place = _bytes(13, _text(1, "location") + _text(2, "handed-over"))
        self._constants.append(dimensions + _int(2, FLOAT) + _text(8, name) + place + _int(14, _EXTERNAL))
        return name

    def rename(self, value: str, name: str) -> None:
        """Rename a value to the name of a network output."""
        self._nodes.append(_text(1, value) + _text(2, name) + _text(4, "Identity"))

    def model(self, operator_sets: Mapping[str, int]) -> bytes:
        """Return the finished model.

        Args:
            operator_sets: the version of each operator set by its domain.
        """
        graph = (
            b"".join(_bytes(1, node) for node in self._nodes)
            + _text(2, "network")
            + b"".join(_bytes(5, constant) for constant in self._constants)
            + b"".join(_bytes(11, _port(port)) for port in self.inputs)
            + b"".join(_bytes(12, _port(port)) for port in self.outputs)
        )
        sets = b"".join(_bytes(8, _text(1, domain) + _int(2, version)) for domain, version in operator_sets.items())
        return _int(1, _IR_VERSION) + _bytes(7, graph) + sets


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= 0xFFFF_FFFF_FFFF_FFFF  # a negative number is written as its 64-bit two's complement
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _int(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _attribute(name: str, value: float | int) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _int(3, value) + _int(20, 2)
    return _text(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _int(20, 1)


def _port(port: Port) -> bytes:
    dimensions = b"".join(_bytes(1, _int(1, size) if isinstance(size, int) else _text(2, size)) for size in port.shape)
    tensor = _int(1, port.element) + _bytes(2, dimensions)
    return _text(1, port.name) + _bytes(2, _bytes(1, tensor))
