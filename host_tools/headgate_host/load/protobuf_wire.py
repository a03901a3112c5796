"""Protocol Buffers, as far as the messages of headgate.v1 need them: numbers, and whatever comes with its length."""

from collections.abc import Iterator

VARINT, FIXED64, SIZED, FIXED32 = 0, 1, 2, 5  # wire types
_VARINT_BITS = 64


def varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits in each byte
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def sized(field: int, value: bytes) -> bytes:
    """string, bytes or a message; what is empty is left out, as proto3 does."""
    return varint(field << 3 | SIZED) + varint(len(value)) + value if value else b""


def number(field: int, value: int) -> bytes:
    return varint(field << 3 | VARINT) + varint(value) if value else b""


def fields(message: bytes) -> Iterator[tuple[int, "int | bytes"]]:
    """Number and value of each; fixed-size ones are skipped. Raises ValueError for what is no message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
        if kind == SIZED:
            size, at = _varint(message, at)
        elif not size:
            raise ValueError("a wire type that is not known")
        if size > len(message) - at:
            raise ValueError("cut short")
        if kind == SIZED:
            yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _VARINT_BITS, 7):
        if at >= len(message):
            raise ValueError("cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise ValueError("a number beyond 64 bits")
