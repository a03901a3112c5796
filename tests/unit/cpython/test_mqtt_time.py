"""linux/mqtt_gateway: how long a client may be silent, how long it may take to say something or to listen, and how long
the end takes."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from mqtt_scene import TOPIC, V5, V311, Scene, play, token, until

from headgate import limits
from headgate_host.load import mqtt_wire as wire

VERSIONS = (V311, V5)


async def pass_time(scene: Scene, milliseconds: int) -> None:
    scene.ms += milliseconds
    for connection in list(scene.mqtt._connections):
        connection.check(scene.ms)


async def settled(scene: Scene) -> None:
    """Until every connection waits for its client."""
    await until(lambda: all(connection.read_deadline for connection in scene.mqtt._connections))


def test_a_slow_connect() -> None:
    async def story(scene: Scene) -> None:
        silent, slow = await scene.dial(), await scene.dial()
        slow.send(wire.connect("dev", password=token())[:30])
        await until(lambda: scene.mqtt.count() == 2)
        await settled(scene)
        await pass_time(scene, 9_999)
        assert scene.mqtt.count() == 2
        await pass_time(scene, 1)
        assert [await silent.ended(), await slow.ended()] == [0, 0]
        assert scene.mqtt.ended == {"0x8d": 2}

    play(story)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("asked", "allowed_ms"), [(10, 15_000), (0, 900_000), (65_535, 900_000)])
def test_keep_alive(version: int, asked: int, allowed_ms: int) -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.dial(version)
        hello = wire.connect("dev", version=version, username="x", password=token())
        at = hello.index(b"MQTT") + 6
        peer.send(hello[:at] + struct.pack(">H", asked) + hello[at + 2 :])
        found = await peer.packet()
        assert found is not None
        assert wire.read_connack(found[1], version).reason == 0
        await settled(scene)
        for _ in range(2):
            await pass_time(scene, allowed_ms - 1)
            peer.send(wire.PINGREQ_PACKET)
            assert await peer.packet() == (wire.PINGRESP, b"")
            await settled(scene)
        await pass_time(scene, allowed_ms)
        assert await peer.ended() == (0x8D if version == V5 else 0)

    play(story)


def test_a_packet_that_does_not_get_on() -> None:
    """16 bytes a second, and 30 s of slack: as a body over HTTP."""

    async def story(scene: Scene) -> None:
        peer = await scene.connect()
        data = wire.publish(TOPIC, b" " * 900, 1)
        peer.send(data[:10])
        await until(lambda: not scene.mqtt._connections[0]._packets.idle)  # type: ignore[attr-defined]
        await settled(scene)
        await pass_time(scene, 29_000)
        assert scene.mqtt.count() == 1
        await pass_time(scene, 2_000)
        assert await peer.ended() == 0x8D

    play(story)


def test_who_does_not_read_is_not_read() -> None:
    async def story(scene: Scene) -> None:
        peer = await scene.connect()
        connection = scene.mqtt._connections[0]
        connection.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        peer.send(wire.PINGREQ_PACKET * 500_000)
        waiting = connection.writer.transport.get_write_buffer_size
        await until(lambda: waiting() and connection.write_deadline)
        for _ in range(100):
            await asyncio.sleep(0)
        assert 0 < waiting() < 2 * limits.MQTT_BATCH + 1
        await pass_time(scene, 30_001)
        await until(lambda: not scene.mqtt.count())

    play(story)


@pytest.mark.parametrize("version", VERSIONS)
def test_drain(version: int) -> None:
    async def story(scene: Scene) -> None:
        scene.sink.hold = True
        idle, busy = await scene.connect(version, "idle"), await scene.connect(version, "busy")
        busy.publish(b"{}", 1)
        await scene.sink.some(1)
        drain = asyncio.create_task(scene.mqtt.drain(10_000))
        assert await idle.ended() == (0x8B if version == V5 else 0)
        assert not drain.done()
        scene.sink.store(1)
        assert await busy.puback() == (1, 0)
        assert await busy.ended() == (0x8B if version == V5 else 0)
        await idle.close()
        await busy.close()
        await drain

    play(story)
