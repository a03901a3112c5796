"""linux/mqtt_gateway over real sockets in one process: who is let in, what a message is answered, and how it ends."""

from __future__ import annotations

import asyncio
import struct
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt_scene import NOW_S, TOPIC, V5, V311, Peer, Scene, document, play, token, until

from headgate import limits
from headgate.core import mqtt_packets as mqtt
from headgate.core.problem import Problem
from headgate_host.load import mqtt_wire as wire

VERSIONS = (V311, V5)
REASONS = ("connects", "published", "ended")


def text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def publish5(body: bytes, properties: bytes, packet_id: int = 1, topic: bytes = TOPIC) -> bytes:
    """With properties, which the packets of the load do not have."""
    content = text(topic) + struct.pack(">H", packet_id) + bytes([len(properties)]) + properties + body
    assert len(properties) < 128
    return bytes([0x32]) + mqtt._encoded(len(content)) + content


def user(name: bytes, value: bytes) -> bytes:
    return b"\x26" + text(name) + text(value)


async def connack(peer: Peer) -> tuple[int, bytes]:
    """(reason, properties)"""
    found = await peer.packet()
    assert found is not None
    assert found[0] == wire.CONNACK
    return wire.read_connack(found[1], peer.version).reason, found[1][3:]


def reasons(properties: bytes) -> dict[str, str]:
    """User properties, and the reason string as ""."""
    fields = mqtt._Fields(bytes([len(properties)]) + properties if len(properties) < 128 else b"")
    found = fields.properties((mqtt.REASON_STRING, mqtt.USER))
    return dict(found.pairs) | {"": str(found.values.get(mqtt.REASON_STRING, ""))}


# --- CONNECT --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("password", "reason", "code"),
    [(None, 0x86, 0x84), ("x.y.z", 0x87, 0x85), ("", 0x87, 0x85), (token(life_s=-1), 0x87, 0x85)],
)
def test_who_is_not_let_in(version: int, password: str | None, reason: int, code: int) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.dial(version)
        peer.send(wire.connect("dev", version=version, username="x", password=password))
        peer.publish(b"{}")
        found, _ = await connack(peer)
        assert found == (reason if version == V5 else code)
        assert await peer.ended() == 0
        assert scene.mqtt.connects == {f"0x{reason:02x}": 1}

    assert not play(story).sink.records


def test_why_is_said() -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.dial()
        peer.send(wire.connect("dev", password=token(life_s=-1)))
        _, words = await connack(peer)
        assert reasons(words) == {
            "problem": "invalid_token", "reason": "token_expired", "claim": "exp", "": "exp: the token has expired",
        }  # fmt: skip

    play(story)


def test_what_the_server_says_of_itself() -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.dial()
        properties = b"\x11\x00\x00\x00\x64"  # a session that is kept
        body = b"\x00\x04MQTT\x05\xc0\x00\x00" + bytes([len(properties)]) + properties + text(b"") + text(b"u")
        peer.send(wire._packet(0x10, body + text(token().encode())))
        reason, words = await connack(peer)
        fields = mqtt._Fields(bytes([len(words)]) + words)
        names = (0x11, 0x12, 0x13, 0x21, 0x24, 0x27, 0x28, 0x29, 0x2A)
        assert reason == 0
        assert fields.properties(names).values == {
            mqtt.RECEIVE_MAXIMUM: limits.MQTT_BATCH,
            mqtt.MAXIMUM_QOS: 1,
            mqtt.MAXIMUM_PACKET: limits.MQTT_HEAD + 65536,
            mqtt.SESSION_EXPIRY: 0,
            mqtt.SERVER_KEEP_ALIVE: 600,
            mqtt.ASSIGNED_CLIENT_ID: "headgate-9-1",
            mqtt.WILDCARDS: 0,
            mqtt.SUBSCRIPTION_IDS: 0,
            mqtt.SHARED: 0,
        }

    play(story)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x00\x00\x01x", b"\x20\x02\x00\x01"),  # a version to come
        (b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01x", b"\x20\x02\x00\x01"),  # 3.1
        (b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x00\x00\x00", b"\x20\x02\x00\x02"),  # no name and no clean session
        (b"\x10\x12\x00\x04MQTT\x05\x02\x00\x00\x04\x15\x00\x01x\x00\x01x", b"\x20"),  # a method
        (b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x00\x00\x01x", b""),  # a reserved flag
        (b"\x10\x8e\x00\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01x", b""),  # a length with more bytes than it needs
        (b"\xc0\x00", b""),  # no CONNECT
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\x10\xff\xff\x7f", b""),  # 2 MiB
        (b"\x10\x80\x80\x80\x80\x80", b""),
    ],
)
def test_what_is_no_connect_for_us(data: bytes, answer: bytes) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.dial()
        peer.send(data)
        found = await peer.reader.read(1000)
        assert found[: len(answer)] == answer
        assert bool(found) == bool(answer)
        assert await peer.reader.read(1) == b""

    play(story)


def test_too_many_connections_are_told_so() -> None:
    async def story(scene: Scene) -> None:
        first = await scene.connect(name="a")
        for version, reason in ((V5, 0x89), (V311, 0x83)):
            peer = await scene.dial(version)
            peer.send(wire.connect("b", version=version, username="u", password=token("b")))
            assert (await connack(peer))[0] == reason
            assert await peer.ended() == 0
        first.publish(b"{}")
        assert await first.puback() == (1, 0)
        assert scene.mqtt.stats()["refused"] == 2

    play(story, connections=1)


def test_a_client_that_connects_again_is_one() -> None:
    async def story(scene: Scene) -> None:
        old, other, old311 = (
            await scene.connect(),
            await scene.connect(name="other"),
            await scene.connect(V311, "three"),
        )
        new, new311 = await scene.connect(), await scene.connect(V311, "three")
        assert await old.ended() == 0x8E
        assert await old311.ended() == 0
        # The same client id with another token is somebody else.
        stranger = await scene.dial()
        stranger.send(wire.connect("dev", username="x", password=token("stranger")))
        assert (await connack(stranger))[0] == 0
        for peer in (new, new311, other, stranger):
            peer.publish(b"{}")
            assert await peer.puback() == (1, 0)

    play(story)


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_an_acknowledgement_waits_for_the_disk(version: int) -> None:
    async def story(scene: Scene) -> None:
        scene.sink.hold = True
        peer = await scene.connect(version)
        for number in (1, 2, 3):
            peer.publish(b'{"n":%d}' % number, number)
        peer.publish(b'{"n":4}', 0)
        await scene.sink.some(4)  # one batch: none waits for another's commit
        answer = asyncio.create_task(peer.puback())
        scene.sink.store(2, 3, 4)
        await asyncio.sleep(0)
        assert not answer.done()
        assert scene.gateway.store.get(b"last/s/dev", scene.ms) is None
        scene.sink.store(1)
        assert [await answer, await peer.puback(), await peer.puback()] == [(1, 0), (2, 0), (3, 0)]
        record = scene.sink.records[0]
        assert (record.stream, record.client, record.body) == ("s", "dev", b'{"n":1}')
        assert (record.content_type, record.ts_ms) == ("application/json", NOW_S * 1000)
        assert (record.key, record.trace) == (None, None)
        assert scene.gateway.counters.accepted == 4
        assert scene.mqtt.published == {"0x00": 4}
        found = scene.gateway.store.get(b"last/s/dev", scene.ms)
        assert found is not None
        assert found[0] == b'{"n":4}'

    play(story)


def test_what_the_properties_say() -> None:
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async def story(scene: Scene) -> None:
        peer = await scene.connect()
        peer.send(publish5(b"\xa0", b"\x03" + text(b"application/cbor") + user(b"idempotency-key", b"k-1")))
        peer.send(publish5(b"{}", user(b"traceparent", trace), 2))
        peer.send(publish5(b"{}", b"\x03" + text(b"Application/JSON; charset=utf-8"), 3))
        assert [await peer.puback() for _ in range(3)] == [(1, 0), (2, 0), (3, 0)]
        first, second, _ = scene.sink.records
        assert (first.content_type, first.key, first.body) == ("application/cbor", "k-1", b"\xa0")
        assert second.trace == trace.decode()

    play(story)


REFUSED = [
    (publish5(b'{"t":61}', b""), 0x99, "schema_violation", "/t: 61 is more than 60"),
    (publish5(b"{", b""), 0x99, "malformed_json", None),
    (publish5(b"", b""), 0x99, "malformed_json", None),
    (publish5(b"{}", b"\x03" + text(b"text/plain")), 0x99, "unsupported_media_type", None),
    (publish5(b"{}", b"\x03" + text(b"application/x-ndjson")), 0x99, "unsupported_media_type", None),
    (publish5(b" " * 1001, b""), 0x83, "body_too_large", "this stream takes 1000 bytes"),
    (publish5(b"{}", user(b"idempotency-key", b"a b")), 0x83, "bad_idempotency_key", None),
    (publish5(b"{}", user(b"idempotency-key", b"a") * 2), 0x83, "bad_idempotency_key", None),
    (publish5(b"{}", b"", 1, b"v1/streams/none"), 0x90, "unknown_stream", None),
    (publish5(b"{}", b"", 1, b"v1/streams/other/s"), 0x87, "insufficient_scope", "needs publish:other/s"),
    (publish5(b"{}", b"", 1, b"/v1/streams/s"), 0x90, "not_found", None),
    (publish5(b"{}", b"", 1, b"v1/streams/+"), 0x87, "insufficient_scope", None),
]


@pytest.mark.parametrize(("data", "reason", "code", "words"), REFUSED)
def test_refusals_are_those_of_http(data: bytes, reason: int, code: str, words: str | None) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect(password=token(scope="publish:s publish:none"))
        peer.send(data)
        packet = await peer.packet()
        assert packet is not None
        assert wire.read_puback(packet[1]) == (1, reason)
        said = reasons(packet[1][4:])
        assert said["problem"] == code
        assert words is None or said[""] == words
        peer.publish(b"{}", 2)
        assert await peer.puback() == (2, 0)
        assert scene.gateway.counters.rejected == {code: 1}
        assert scene.mqtt.published == {f"0x{reason:02x}": 1, "0x00": 1}

    play(story)


@pytest.mark.parametrize(("body", "topic", "acknowledged"), [
    (b'{"t":61}', TOPIC, True),  # it is at fault itself: sent again it would be no better
    (b"{", TOPIC, True),
    (b"{}", b"v1/streams/none", False),
    (b"{}", b"elsewhere", False),
])  # fmt: skip
def test_refusals_in_3_1_1(body: bytes, topic: bytes, acknowledged: bool) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect(V311)
        peer.publish(b"{}", 7)
        peer.publish(body, 8, topic)
        assert await peer.puback() == (7, 0)  # whatever comes after it
        if acknowledged:
            assert await peer.puback() == (8, 0)
            peer.publish(b"{}", 9)
            assert await peer.puback() == (9, 0)
        else:
            assert await peer.ended() == 0
        assert sum(scene.gateway.counters.rejected.values()) == 1
        assert len(scene.sink.records) == 1 + acknowledged

    play(story)


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_is_dropped_and_counted(version: int) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect(version)
        for body, topic in ((b"{", TOPIC), (b"{}", b"v1/streams/none"), (b'{"t":61}', TOPIC)):
            peer.publish(body, 0, topic)
        peer.publish(b"{}", 5)
        assert await peer.puback() == (5, 0)
        assert scene.gateway.counters.rejected == {"malformed_json": 1, "unknown_stream": 1, "schema_violation": 1}

    play(story)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("packet_id", [0, 1])
def test_a_token_that_expires_ends_the_connection(version: int, packet_id: int) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect(version)
        scene.clock = (NOW_S + 61, "trusted")
        peer.publish(b"{}", packet_id)
        if packet_id and version == V5:
            assert await peer.puback() == (1, 0x87)
        assert await peer.ended() == (0x87 if version == V5 else 0)

    play(story)


def test_over_the_rate() -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect()
        for number in (1, 2, 3):
            peer.publish(b"{}", number, b"v1/streams/slow")
        assert [await peer.puback(), await peer.puback()] == [(1, 0), (2, 0)]
        packet = await peer.packet()
        assert packet is not None
        assert wire.read_puback(packet[1]) == (3, 0x97)
        assert reasons(packet[1][4:])["retry-after"] == "1"
        # The bucket is that of HTTP: the name of the stream and the token's.
        assert scene.gateway.limiter.take(b"slow\0dev", 1000, 2, scene.ms)[0]

    play(story)


def test_who_speaks_3_1_1_is_made_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def story(scene: Scene) -> None:
        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            scene.ms += int(seconds * 1000)
            await asyncio.sleep(0)

        peer = await scene.connect(V311)
        monkeypatch.setattr("headgate.linux.mqtt_gateway.asyncio", types.SimpleNamespace(sleep=sleep))
        for number in range(1, 6):
            peer.publish(b"{}", number, b"v1/streams/slow")
        assert [await peer.puback() for _ in range(5)] == [(number, 0) for number in range(1, 6)]
        monkeypatch.undo()
        assert [seconds for seconds in slept if seconds] == [1, 1, 1]
        scene.sink.problem = Problem(503, "outbox_full", headers=[(b"retry-after", b"30")])
        peer.publish(b"{}", 6)
        assert await peer.ended() == 0  # it has waited long enough: the message stays with the device
        assert scene.gateway.counters.rejected == {"outbox_full": 1}

    play(story)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_disk_that_fails(version: int) -> None:
    async def story(scene: Scene) -> None:
        scene.sink.hold = True
        peer = await scene.connect(version)
        for number in (1, 2, 3):
            peer.publish(b"{}", number)
        await scene.sink.some(3)
        scene.sink.tickets[1].fail(Problem(503, "storage_failed", "the disk is full", headers=[(b"Retry-After", b"1")]))
        scene.sink.store(1, 3)
        assert await peer.puback() == (1, 0)
        if version == V5:
            assert [await peer.puback(), await peer.puback()] == [(2, 0x80), (3, 0)]
        else:
            assert await peer.puback() == (3, 0)  # stored is stored; 2 will come again
            assert await peer.ended() == 0
        assert scene.gateway.counters.rejected == {"storage_failed": 1}

    play(story)


def test_a_key_used_for_another_message() -> None:
    async def story(scene: Scene) -> None:
        scene.sink.hold = True
        peer = await scene.connect()
        peer.send(publish5(b"{}", user(b"idempotency-key", b"k")))
        await scene.sink.some(1)
        scene.sink.tickets[0].fail(Problem(422, "idempotency_key_reused"))
        assert await peer.puback() == (1, 0x83)

    play(story)


def test_whoever_does_not_want_to_know_why() -> None:
    """Request Problem Information 0, or a Maximum Packet Size too small for it: the reason code alone."""

    async def story(scene: Scene) -> None:
        for properties in (b"\x17\x00", b"\x27\x00\x00\x00\x20"):
            peer = await scene.dial()
            body = b"\x00\x04MQTT\x05\xc2\x00\x00" + bytes([len(properties)]) + properties + text(b"x") + text(b"u")
            peer.send(wire._packet(0x10, body + text(token().encode())))
            assert (await connack(peer))[0] == 0
            peer.publish(b"{")
            assert await peer.packet() == (wire.PUBACK, b"\x00\x01\x99")
            peer.send(wire.DISCONNECT_PACKET)
            assert await peer.packet() is None

    play(story)


def test_a_batch_is_bounded() -> None:
    """What is beyond it is taken when the first ones are stored."""
    count = limits.MQTT_BATCH + 10

    async def story(scene: Scene) -> None:
        scene.sink.hold = True
        peer = await scene.connect()
        peer.send(b"".join(wire.publish(TOPIC, b"{}", n + 1) for n in range(count)))
        await scene.sink.some(limits.MQTT_BATCH)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(scene.sink.tickets) == limits.MQTT_BATCH
        scene.sink.hold = False
        scene.sink.store(*range(1, limits.MQTT_BATCH + 1))
        assert [await peer.puback() for _ in range(count)] == [(n + 1, 0) for n in range(count)]

    play(story)


@pytest.mark.parametrize("version", VERSIONS)
def test_memory_durability_is_answered_at_once(version: int) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect(version)
        peer.publish(b"1", 1, b"v1/streams/soon")
        assert await peer.puback() == (1, 0)

    play(story)


# --- the rest of the protocol ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_subscriptions_are_refused(version: int) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect(version)
        none = b"\x00" if version == V5 else b""
        peer.send(wire._packet(0x82, b"\x00\x05" + none + text(b"#") + b"\x01" + text(b"a") + b"\x00"))
        assert await peer.packet() == (9, b"\x00\x05" + none + (b"\x87\x87" if version == V5 else b"\x80\x80"))
        peer.send(wire._packet(0xA2, b"\x00\x06" + none + text(b"#")))
        assert await peer.packet() == (11, b"\x00\x06" + (b"\x00\x11" if version == V5 else b""))
        peer.send(wire.PINGREQ_PACKET)
        assert await peer.packet() == (wire.PINGRESP, b"")

    play(story)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x34\x06\x00\x01t\x00\x01\x00", 0x9B),  # QoS 2
        (b"\x36\x05\x00\x01t\x00\x01", 0x81),  # QoS 3
        (b"\x31\x00", 0x81),
        (wire.connect("again"), 0x82),
        (b"\x20\x02\x00\x00", 0x82),  # what only a server may send
        (b"\xf0\x00", 0x82),  # AUTH
        (b"\xc1\x00", 0x81),
        (b"\xc0\x01x", 0x81),
        (b"\x30\xff\xff\x7f", 0x95),
        (b"\x30\x80\x80\x80\x80", 0x81),
        (b"\x30\x87\x00\x00\x01t\x00{}0", 0x81),
        (publish5(b"{}", b"\x23\x00\x01"), 0x94),
    ],
)
@pytest.mark.parametrize("piecewise", [False, True])
def test_what_ends_a_connection(data: bytes, reason: int, piecewise: bool) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect()
        peer.publish(b"{}", 3)
        for at in range(0, len(data), 1 if piecewise else len(data)):
            peer.send(data[at : at + 1] if piecewise else data)
            if piecewise:
                await asyncio.sleep(0)
        assert await peer.puback() == (3, 0)
        assert await peer.ended() == reason
        assert scene.mqtt.ended == {f"0x{reason:02x}": 1}

    play(story)


def test_messages_byte_by_byte() -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.dial(V311)
        data = wire.connect("dev", version=V311, username="x", password=token())
        data += b"".join(wire.publish(TOPIC, b'{"n":%d}' % n, n, version=V311) for n in (1, 2))
        for at in range(len(data)):
            peer.send(data[at : at + 1])
            await asyncio.sleep(0)
        assert (await connack(peer))[0] == 0
        assert [await peer.puback(), await peer.puback()] == [(1, 0), (2, 0)]

    play(story)


NEARLY = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        (
            wire.connect("dev", password=token()),
            wire.publish(TOPIC, b"{}", 1),
            wire.publish(TOPIC, b"{}", 0),
            wire.publish(b"$SYS/+", b"", 9),
            publish5(b"\xff", user(b"a", b"b")),
            wire.PINGREQ_PACKET,
            b"\x82\x08\x00\x05\x00\x00\x02a/\x01",
            b"\x30\xff\xff\x7f",
        )
    ),
)


@settings(max_examples=60)
@given(st.lists(NEARLY, max_size=6), st.sampled_from(VERSIONS), st.booleans())
def test_whatever_comes_others_are_served(data: list[bytes], version: int, let_in: bool) -> None:
    """`Scene` asks that no exception was unforeseen, and that nothing is left."""

    async def story(scene: Scene) -> None:
        hostile = await (scene.connect(version, "hostile") if let_in else scene.dial(version))
        for piece in data:
            hostile.send(piece)
            await asyncio.sleep(0)
        await hostile.close()
        peer = await scene.connect()
        peer.publish(b'{"n":1}', 7)
        assert await peer.puback() == (7, 0)

    play(story)


def with_will(version: int, topic: bytes, body: bytes, flags: int = 0xC6) -> bytes:
    none = b"\x00" if version == V5 else b""
    head = b"\x00\x04MQTT" + bytes((version, flags)) + b"\x00\x00" + none + text(b"dev")
    return wire._packet(0x10, head + none + text(topic) + text(body) + text(b"u") + text(token().encode()))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("last", "published"), [(b"", 1), (wire.DISCONNECT_PACKET, 0), (b"\xe0\x01\x04", 1), (b"\xc1\x00", 1)]
)
def test_the_will(version: int, last: bytes, published: int) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.dial(version)
        peer.send(with_will(version, TOPIC, b'{"gone":true}'))
        assert (await connack(peer))[0] == 0
        peer.send(last)
        await peer.close()
        await until(lambda: not scene.mqtt.count())

    scene = play(story)
    assert [record.body for record in scene.sink.records] == [b'{"gone":true}'] * published


def test_a_will_that_is_refused() -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.dial()
        peer.send(with_will(V5, TOPIC, b"{}", 0xD6))
        assert (await connack(peer))[0] == 0x9B  # QoS 2
        await peer.close()
        peer = await scene.dial()
        peer.send(with_will(V5, TOPIC, b"{"))
        assert (await connack(peer))[0] == 0
        await peer.close()
        await until(lambda: not scene.mqtt.count())
        assert scene.gateway.counters.rejected == {"malformed_json": 1}

    play(story)


def test_a_certificate_instead_of_a_token() -> None:
    async def story(scene: Scene) -> None:
        for name, password, reason in (("", None, 0x86), ("mill", None, 0), ("mill", "x", 0x87)):
            scene.identity = name
            peer = await scene.dial()
            peer.send(wire.connect("x", password=password))
            assert (await connack(peer))[0] == reason
            if not reason:
                peer.publish(b"{}")
                assert await peer.puback() == (1, 0)
                peer.publish(b"{}", 2, b"v1/streams/soon")
                assert await peer.puback() == (2, 0x87)
        assert [record.client for record in scene.sink.records] == ["mill"]

    plan = document()
    plan["certificate_scopes"] = ["publish:s"]
    play(story, plan)
