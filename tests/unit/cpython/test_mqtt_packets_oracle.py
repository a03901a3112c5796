"""core/mqtt_packets against the packets of `headgate load`, which are another reading of the same standard, and against
anything: whatever comes, it is packets or an MqttError, in one piece as byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core import mqtt_packets as mqtt
from headgate.core.mqtt_packets import MqttError, PacketReader
from headgate_host.load import mqtt_wire as wire

LIMIT = 2000
VERSIONS = st.sampled_from((mqtt.V311, mqtt.V5))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
TOPICS = NAMES.filter(bool)


def parsed(first: int, body: bytes, version: int) -> object:
    """What the packet says, in values that can be compared."""
    kind = mqtt.check_flags(first)
    if kind == mqtt.PUBLISH:
        found = mqtt.parse_publish(first, body, version)
        return found.topic, found.payload, found.qos, found.packet_id, found.properties.values, found.properties.pairs
    if kind == mqtt.CONNECT:
        connect = mqtt.parse_connect(body)
        return connect.version, connect.client_id, connect.password, connect.clean, connect.keep_alive_s
    if kind == mqtt.SUBSCRIBE:
        return mqtt.parse_subscribe(body, version)
    if kind == mqtt.UNSUBSCRIBE:
        return mqtt.parse_unsubscribe(body, version)
    if kind == mqtt.DISCONNECT:
        return mqtt.parse_disconnect(body, version)
    return kind


def read(data: bytes, step: int, version: int) -> list[object]:
    """Everything in it, up to the first error."""
    reader, found = PacketReader(LIMIT), list[object]()
    try:
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
            while (packet := reader.next()) is not None:
                found.append(parsed(*packet, version))
    except MqttError as error:
        found.append(error.reason)
    return found


# Nearly packets: a right type, a length that fits, and a body of parts that are right by themselves.
TEXTS = NAMES.map(mqtt._text)
PROPERTY = st.one_of(
    st.sampled_from((b"\x01\x01", b"\x02\x00\x00\x00\x01", b"\x23\x00\x01", b"\x11\x00\x00\x00\x01", b"\x21\x00\x05")),
    TEXTS.map(lambda text: b"\x03" + text),
    st.tuples(TEXTS, TEXTS).map(lambda pair: b"\x26" + pair[0] + pair[1]),
)
PROPERTIES = st.lists(PROPERTY, max_size=4).map(b"".join).map(lambda data: mqtt._encoded(len(data)) + data)
CONNECT_HEAD = st.tuples(st.sampled_from((4, 5)), st.integers(0, 255)).map(
    lambda pair: b"\x00\x04MQTT" + bytes(pair) + b"\x00\x3c"
)
PART = st.one_of(TEXTS, PROPERTIES, CONNECT_HEAD, st.binary(max_size=5), st.just(b"\x00\x01"))
FIRST = st.sampled_from((0x10, 0x30, 0x31, 0x32, 0x3A, 0x82, 0xA2, 0xC0, 0xE0)) | st.integers(0, 255)
PACKET = st.tuples(FIRST, st.lists(PART, max_size=5).map(b"".join)).map(
    lambda pair: bytes((pair[0],)) + mqtt._encoded(len(pair[1])) + pair[1]
)
STREAM = st.one_of(st.binary(max_size=200), st.lists(PACKET, max_size=4).map(b"".join))


@given(STREAM, VERSIONS, st.integers(1, 7))
def test_anything_in_pieces(data: bytes, version: int, step: int) -> None:
    whole = read(data, max(1, len(data)), version)
    assert read(data, step, version) == whole
    assert read(data, 1, version) == whole


@given(TOPICS, st.binary(max_size=300), st.integers(0, 65535), VERSIONS, st.booleans())
def test_publish_of_the_load(topic: str, body: bytes, packet_id: int, version: int, retain: bool) -> None:
    data = wire.publish(topic.encode(), body, packet_id, version=version, retain=retain)
    assert read(data, 50, version) == [(topic, body, int(packet_id > 0), packet_id, {}, [])]


@given(NAMES, st.none() | NAMES, NAMES, VERSIONS)
def test_connect_of_the_load(name: str, password: str | None, user: str, version: int) -> None:
    data = wire.connect(name, version=version, username=user, password=password)
    secret = None if password is None else password.encode()
    assert read(data, 50, version) == [(version, name, secret, True, 0)]


@given(st.integers(1, 65535), st.sampled_from((0, 0x80, 0x87, 0x97, 0x99)), NAMES)
def test_puback_to_the_load(packet_id: int, reason: int, words: str) -> None:
    properties = mqtt.encode(mqtt.REASON_STRING, words) if reason else b""
    ((kind, body),) = wire.Reader().feed(mqtt.puback(packet_id, reason, properties))
    assert kind == wire.PUBACK
    assert wire.read_puback(body) == (packet_id, reason)


@given(st.integers(1, 65535), st.integers(0, 65535), st.integers(1, 2**28))
def test_connack_to_the_load(receive: int, keep_alive: int, packet: int) -> None:
    said = mqtt.encode(mqtt.RECEIVE_MAXIMUM, receive) + mqtt.encode(mqtt.SERVER_KEEP_ALIVE, keep_alive)
    said += mqtt.encode(mqtt.MAXIMUM_PACKET, packet) + mqtt.encode(mqtt.MAXIMUM_QOS, 1)
    ((kind, body),) = wire.Reader().feed(mqtt.connack(mqtt.V5, 0, said))
    assert kind == wire.CONNACK
    assert wire.read_connack(body) == wire.Connack(0, receive, keep_alive, packet)


@pytest.mark.parametrize("size", [0, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_lengths(size: int) -> None:
    """Section 1.5.5, table 1-1: by the encoder of the load, and by ours."""
    data = wire.publish(b"t", bytes(size), 0, version=mqtt.V311)
    reader = PacketReader(len(data))
    reader.shortest = True
    reader.feed(data)
    packet = reader.next()
    assert packet is not None
    assert len(packet[1]) == size + 3
    assert mqtt._packet(3, packet[1]) == data
