"""Protocol Buffers as bytes: the fields of one message, and what is written of one. Twin of native_ext/grpc/protobuf.c.

https://protobuf.dev/programming-guides/encoding. What the fields mean is for the caller.
"""

from collections.abc import Iterator

from headgate import limits

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; groups (3 and 4), which proto3 does not have, are malformed

_VARINT = 10  # bytes of the longest
_TAG_MAX = 0xFFFFFFFF


class ProtobufError(ValueError):
    """Not well-formed, or text that is not UTF-8."""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """-> (value, index past it)"""
    value = 0
    for i in range(_VARINT):
        if at + i >= len(data):
            raise ProtobufError("the message is cut short")
        byte = data[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:  # noqa: PLR2004 - no more bytes follow
            if value >> 64:
                break
            return value, at + i + 1
    raise ProtobufError("a varint is too long")


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of each field: an int of a varint, otherwise its bytes. Raises ProtobufError."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if not number or tag > _TAG_MAX:
            raise ProtobufError("no such field number")
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, at = _varint(data, at)
        elif wire in (FIXED32, FIXED64):
            length = 8 if wire == FIXED64 else 4
        else:
            raise ProtobufError("no such wire type")
        if length > len(data) - at:
            raise ProtobufError("the message is cut short")
        yield number, wire, data[at : at + length]
        at += length


def read(data: bytes, wanted: "dict[int, tuple[str, int]]") -> "dict[str, int | bytes]":
    """The fields that are `wanted`: number -> (name, wire type), by name, the last of each; others are passed over.
    Raises ProtobufError, also for more than limits.GRPC_FIELDS: they would take long."""
    found: dict[str, int | bytes] = {}
    for count, (number, wire, value) in enumerate(fields(data)):
        if count == limits.GRPC_FIELDS:
            raise ProtobufError("too many fields")
        name, expected = wanted.get(number, ("", -1))
        if wire == expected:
            found[name] = value
    return found


def text(value: "int | bytes") -> str:
    """The value of a string field. Raises ProtobufError."""
    if isinstance(value, int):
        raise ProtobufError("not a string")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ProtobufError("a string is not UTF-8") from None


def _write_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_number(field: int, value: int) -> bytes:
    """One field; nothing for the default, as proto3 wants it."""
    return _write_varint(field << 3 | VARINT) + _write_varint(value) if value else b""


def put_bytes(field: int, value: "bytes | str") -> bytes:
    return put_message(field, value.encode() if isinstance(value, str) else value) if value else b""


def put_message(field: int, value: bytes) -> bytes:
    """A message inside, or an element of a repeated field: written even if it is empty."""
    return _write_varint(field << 3 | BYTES) + _write_varint(len(value)) + value
