"""MQTT of the load's client: packets against paho's reading of them, hostile packets, byte by byte."""

from __future__ import annotations

import struct

import pytest

from headgate_host.load import mqtt_wire as wire


def packets(data: bytes, step: int) -> list[tuple[int, bytes]]:
    reader = wire.Reader()
    return [packet for at in range(0, len(data), step) for packet in reader.feed(data[at : at + step])]


@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_packets_in_pieces(step: int) -> None:
    data = b"\x20\x03\x00\x00\x00" + b"\x40\x02\x12\x34" + b"\xd0\x00" + b"\x40\x03\x00\x01\x87"
    found = packets(data, step)
    assert found == [
        (wire.CONNACK, b"\x00\x00\x00"),
        (wire.PUBACK, b"\x12\x34"),
        (wire.PINGRESP, b""),
        (wire.PUBACK, b"\x00\x01\x87"),
    ]
    assert wire.read_puback(found[1][1]) == (0x1234, 0)
    assert wire.read_puback(found[3][1]) == (1, 0x87)


def test_connect() -> None:
    data = wire.connect("dev-1", username="dev-1", password="secret")  # noqa: S106
    assert data == (
        b"\x10\x21\x00\x04MQTT\x05\xc2\x00\x00\x00\x00\x05dev-1\x00\x05dev-1\x00\x06secret"
    )  # clean start, user name and password; keep alive 0; no properties
    assert wire.connect("x", version=wire.V311) == b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01x"


def test_publish() -> None:
    assert wire.publish(b"a/b", b"hi", 7) == b"\x32\x0a\x00\x03a/b\x00\x07\x00hi"
    assert wire.publish(b"a/b", b"hi", 0, version=wire.V311) == b"\x30\x07\x00\x03a/bhi"
    assert wire.publish(b"a", b"", 0, retain=True)[0] == 0x31


@pytest.mark.parametrize("size", [0, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_lengths(size: int) -> None:
    """Section 1.5.5, table 1-1."""
    body = bytes(size)
    data = wire.publish(b"t", body, 0, version=wire.V311)
    length, place = 0, 0
    while True:
        place += 1
        length |= (data[place] & 0x7F) << 7 * (place - 1)
        if data[place] < 0x80:
            break
    assert len(data) == 1 + place + length
    assert length == size + 3


def test_connack() -> None:
    properties = b"\x21" + struct.pack(">H", 20) + b"\x12\x00\x03abc" + b"\x13" + struct.pack(">H", 60)
    properties += b"\x26\x00\x01k\x00\x01v" + b"\x27" + struct.pack(">I", 1000) + b"\x2a\x01"
    body = b"\x00\x00" + bytes([len(properties)]) + properties
    assert wire.read_connack(body) == wire.Connack(0, 20, 60, 1000)
    assert wire.read_connack(b"\x00\x87\x00").reason == 0x87
    assert wire.read_connack(b"\x00\x05", wire.V311).reason == 0x85
    assert wire.read_connack(b"\x01\x00", wire.V311) == wire.Connack(0)


@pytest.mark.parametrize(
    "data",
    [
        b"\x20\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x20\xff\xff\xff\x7f",  # of 256 MiB
    ],
)
def test_what_is_not_mqtt(data: bytes) -> None:
    with pytest.raises(wire.NotMqtt):
        wire.Reader().feed(data)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x00\x05\x21\x00", b"\x00\x00\x02\x77\x00"])
def test_a_connack_that_is_cut_or_strange(body: bytes) -> None:
    with pytest.raises(wire.NotMqtt):
        wire.read_connack(body)


def test_a_puback_that_is_cut() -> None:
    with pytest.raises(wire.NotMqtt):
        wire.read_puback(b"\x01")
