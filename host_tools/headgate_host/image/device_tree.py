"""Flattened device trees (Devicetree Specification 0.4, chapter 5): what a board's storage needs."""

import struct
from dataclasses import dataclass, field

MAGIC = 0xD00DFEED
_HEADER = 40  # bytes
_BEGIN_NODE, _END_NODE, _PROPERTY, _END = 1, 2, 3, 9  # 4 is a filler
_OKAY = (None, b"okay\0", b"ok\0")


@dataclass
class Node:
    name: str
    properties: dict[str, bytes] = field(default_factory=dict)

    @property
    def compatible(self) -> list[str]:
        return [text for text in self.properties.get("compatible", b"").decode("ascii").split("\0") if text]

    @property
    def enabled(self) -> bool:
        return self.properties.get("status") in _OKAY


def nodes(data: bytes) -> list[Node]:
    """All of them, the root first. Raises ValueError: not a device tree, or not all of it."""
    if len(data) < _HEADER or struct.unpack_from(">II", data) != (MAGIC, len(data)):
        raise ValueError("not a whole device tree")
    position, strings = struct.unpack_from(">II", data, 8)
    found: list[Node] = []
    above: list[Node] = []
    while True:
        (token,) = struct.unpack_from(">I", data, position)
        position += 4
        if token == _BEGIN_NODE:
            end = data.index(0, position)
            above.append(Node(data[position:end].decode("ascii")))
            found.append(above[-1])
            position = _aligned(end + 1)
        elif token == _END_NODE:
            above.pop()
        elif token == _PROPERTY:
            length, name = struct.unpack_from(">II", data, position)
            start = position + 8
            above[-1].properties[_text(data, strings + name)] = data[start : start + length]
            position = _aligned(start + length)
        elif token == _END:
            return found


def storage(data: bytes) -> dict[str, list[str]]:
    """Node -> its `compatible`: the SD controllers that are on, and what they wait for: a controller is not started
    before the drivers of its supplies (regulator bindings) and of its power sequence are."""
    every = nodes(data)
    by_handle = {node.properties["phandle"]: node for node in every if "phandle" in node.properties}
    wanted = [node for node in every if node.name.startswith("mmc@") and node.enabled]
    found: dict[str, list[str]] = {}
    while wanted:
        node = wanted.pop()
        if node.name not in found and node.compatible:
            found[node.name] = node.compatible
            needs = [value for key, value in node.properties.items() if key.endswith("-supply") or key == "mmc-pwrseq"]
            wanted += [by_handle[handle] for handle in needs]
    return found


def _aligned(position: int) -> int:
    return (position + 3) & ~3


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(0, start)].decode("ascii")
