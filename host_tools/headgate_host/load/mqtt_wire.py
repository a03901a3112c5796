"""MQTT 3.1.1 and 5 as a publisher speaks it, without a socket: packets to bytes, bytes to packets.

Section numbers are of MQTT 5. Only what a device that publishes needs: CONNECT, PUBLISH with QoS 0 and 1, PINGREQ and
DISCONNECT out; CONNACK, PUBACK, PINGRESP and DISCONNECT in.
"""

import struct
from typing import NamedTuple

V311, V5 = 4, 5  # section 3.1.2.2
CONNACK, PUBACK, PINGRESP, DISCONNECT = 2, 4, 13, 14  # packet types
REFUSED_FROM = 0x80  # reason codes from here on are failures, section 2.4
IDS = 65535  # packet identifiers go from 1 to this
PINGREQ_PACKET, DISCONNECT_PACKET = b"\xc0\x00", b"\xe0\x00"
PACKET_MAX = 65536  # bytes of a packet from the server; ours are small
TEXT_MAX = 65535  # bytes of a string, section 1.5.4
REMAINING_MAX = 268_435_455  # section 2.1.4
_RECEIVE_MAXIMUM, _SERVER_KEEP_ALIVE, _MAXIMUM_PACKET = 0x21, 0x13, 0x27
# Property -> bytes of its value; TEXT: a length of two bytes before it; PAIR: two of those (section 2.2.2.2).
_TEXT, _PAIR = -1, -2
_SIZES = {0x11: 4, 0x12: _TEXT, 0x13: 2, 0x15: _TEXT, 0x16: _TEXT, 0x1A: _TEXT, 0x1C: _TEXT, 0x1F: _TEXT, 0x21: 2,
          0x22: 2, 0x24: 1, 0x25: 1, 0x26: _PAIR, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}  # fmt: skip


class NotMqtt(ValueError):
    """What came is no packet that a publisher can get."""


class Connack(NamedTuple):
    reason: int
    receive_maximum: int = IDS
    keep_alive_s: int = 0
    maximum_packet: int = REMAINING_MAX


def is_text(text: str) -> bool:
    """Can it be sent as one (section 1.5.4)?"""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text) and len(text.encode()) <= TEXT_MAX


def is_topic(text: str) -> bool:
    """Can be published to, section 4.7."""
    return bool(text) and is_text(text) and not {"+", "#"} & set(text)


def _text(value: bytes) -> bytes:
    if len(value) > TEXT_MAX:
        raise ValueError("a text of more than 65535 bytes")
    return struct.pack(">H", len(value)) + value


def _packet(first: int, body: bytes) -> bytes:
    """With its length as a variable byte integer (section 1.5.5)."""
    left, encoded = len(body), bytearray((first,))
    if left > REMAINING_MAX:
        raise ValueError("a packet of more than 256 MiB")
    while True:
        left, low = left >> 7, left & 0x7F
        encoded.append(low | 0x80 if left else low)
        if not left:
            return bytes(encoded) + body


def connect(client_id: str, *, version: int = V5, username: str | None = None, password: str | None = None) -> bytes:
    """Clean start, no keep alive: a load that is idle for long is one that pauses."""
    flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    properties = b"\x00" if version == V5 else b""
    body = b"\x00\x04MQTT" + bytes((version, flags)) + b"\x00\x00" + properties + _text(client_id.encode())
    for field in (username, password):
        if field is not None:
            body += _text(field.encode())
    return _packet(0x10, body)


def publish(topic: bytes, body: bytes, packet_id: int, *, version: int = V5, retain: bool = False) -> bytes:
    """`packet_id` 0: QoS 0."""
    head = _text(topic) + (struct.pack(">H", packet_id) if packet_id else b"") + (b"\x00" if version == V5 else b"")
    return _packet(0x30 | (0x02 if packet_id else 0) | retain, head + body)


class Reader:
    """Bytes in, packets out: (type, body)."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The packets complete by now. Raises NotMqtt."""
        self._data = self._data + data if self._data else data
        found = []
        while (one := self._next()) is not None:
            found.append(one)
        return found

    def _next(self) -> tuple[int, bytes] | None:
        data, length = self._data, 0
        for place in range(1, 5):
            if place >= len(data):
                return None
            length |= (data[place] & 0x7F) << 7 * (place - 1)
            if data[place] < 0x80:  # noqa: PLR2004 - the last byte of a length
                break
        else:
            raise NotMqtt("a length of more than four bytes")
        if length > PACKET_MAX:
            raise NotMqtt("a packet of more than 64 KiB")
        start = place + 1
        if len(data) < start + length:
            return None
        self._data = data[start + length :]
        return data[0] >> 4, data[start : start + length]


def read_puback(body: bytes) -> tuple[int, int]:
    """-> (packet identifier, reason code). Section 3.4.2: without a reason it is success."""
    if len(body) < 2:  # noqa: PLR2004 - an identifier
        raise NotMqtt("a PUBACK that is too short")
    return int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0  # noqa: PLR2004


def read_connack(body: bytes, version: int = V5) -> Connack:
    if len(body) < 2:  # noqa: PLR2004 - flags and reason
        raise NotMqtt("a CONNACK that is too short")
    reason = body[1]
    if version != V5:  # its return codes count from 1
        return Connack(reason | REFUSED_FROM if reason else 0)
    found = _properties(body[2:])
    return Connack(
        reason,
        found.get(_RECEIVE_MAXIMUM, IDS) or IDS,
        found.get(_SERVER_KEEP_ALIVE, 0),
        found.get(_MAXIMUM_PACKET, REMAINING_MAX),
    )


def _properties(data: bytes) -> dict[int, int]:
    """The numbers among them. Their length has one byte here: more than 127 bytes are read, but not understood."""
    if not data or data[0] >= 0x80:  # noqa: PLR2004
        return {}
    at, end, found = 1, 1 + data[0], {}
    if end > len(data):
        raise NotMqtt("properties longer than their packet")
    while at < end:
        size = _SIZES.get(data[at])
        if size is None:
            raise NotMqtt(f"an unknown property 0x{data[at]:02x}")
        at += 1
        if size > 0:
            found[data[at - 1]] = int.from_bytes(data[at : at + size], "big")
            at += size
        else:
            for _ in range(-size):
                at += 2 + int.from_bytes(data[at : at + 2], "big")
    return found
